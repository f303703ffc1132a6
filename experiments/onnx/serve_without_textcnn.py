"""Label texts with a model that `textcnn export` wrote, without textcnn: onnxruntime, numpy and the standard library.

python serve_without_textcnn.py model.onnx "not bad at all" "a waste of a good cast"
"""

import json
import re
import sys
import unicodedata
from itertools import accumulate
from pathlib import Path

import numpy as np
import onnxruntime

path, *texts = sys.argv[1:]
session = onnxruntime.InferenceSession(path)
rules = json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
ids_of = {word: number for number, word in enumerate(rules["words"], rules["first_id"])}


def encode(text: str) -> list[int]:
    """Return the ids of a text's tokens."""
    text = unicodedata.normalize(rules["normalization"], text)
    if rules["lowercase"]:
        text = text.translate(str.maketrans(rules["before_lower"])).lower()
    tokens = re.findall(rules["pattern"], text)[: rules["max_length"]]
    return [ids_of.get(token, rules["unknown_id"]) for token in tokens]


encoded = [encode(text) for text in texts]
ids = np.array([number for text in encoded for number in text], np.int64)
offsets = np.array([0, *accumulate(map(len, encoded))], np.int64)
[probabilities] = session.run(["probabilities"], {"ids": ids, "offsets": offsets})
for text, row in zip(texts, probabilities.tolist(), strict=True):
    if rules["target"] == "class":
        labels = [rules["classes"][row.index(max(row))]]
    else:
        labels = [c for c, p, least in zip(rules["classes"], row, rules["thresholds"], strict=True) if p >= least]
    print(json.dumps({"text": text, "labels": labels, "probabilities": row}))
