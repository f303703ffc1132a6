"""Fine-tune a transformer as a sequence classifier on one of the tasks: a teacher.

    python -m experiments.distillation.teachers mr-1 --base ENCODER --work work

ENCODER is a folder or hub name of an encoder, such as all-MiniLM-L6-v2. AdamW with a linear decay after a warm-up of a
tenth, batches of texts of similar length, bfloat16 where the processor multiplies it; the epoch of the best validation
accuracy is kept. The task's test texts are not read.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from experiments import shared
from experiments.distillation.tasks import read

LENGTH = 128  # pieces of a text
BATCH = 32
POOL = 50  # batches sorted by length together


def batches(lengths: np.ndarray, generator: np.random.Generator | None) -> Iterator[np.ndarray]:
    """Yield the rows of batches of similar lengths, in random order where there is a generator."""
    order = np.arange(len(lengths)) if generator is None else generator.permutation(len(lengths))
    size = len(order) if generator is None else POOL * BATCH
    found = []
    for begin in range(0, len(order), size):
        pool = order[begin : begin + size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        found += [pool[i : i + BATCH] for i in range(0, len(pool), BATCH)]
    for i in range(len(found)) if generator is None else generator.permutation(len(found)):
        yield found[i]


class Texts:
    """Tokenized texts.

    Args:
        texts: strings.
        tokenizer: of the encoder.
    """

    def __init__(self, texts: list[str], tokenizer: AutoTokenizer) -> None:
        self.tokenizer = tokenizer
        self.ids = tokenizer(texts, truncation=True, max_length=LENGTH)["input_ids"]
        self.lengths = np.array([len(ids) for ids in self.ids])

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Return the padded texts at the given rows."""
        return dict(self.tokenizer.pad({"input_ids": [self.ids[i] for i in rows]}, return_tensors="pt"))


@torch.inference_mode()
def accuracy(model: torch.nn.Module, texts: Texts, labels: torch.Tensor) -> float:
    """Return the share of texts whose most probable class is theirs."""
    model.eval()
    right = 0
    for rows in batches(texts.lengths, None):
        with autocast():
            logits = model(**texts.batch(rows)).logits
        right += int((logits.argmax(dim=1) == labels[rows]).sum())
    return right / len(labels)


def autocast() -> torch.autocast:
    """Return a context of bfloat16 where the processor multiplies it."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.ops.mkldnn._is_mkldnn_bf16_supported())


def main() -> None:
    """Fine-tune and save."""
    parser = shared.make_parser(__doc__ or "", Path(__file__).parent)
    parser.add_argument("task", help="folder of train.csv and validation.csv in the folder of --work")
    parser.add_argument("--base", required=True, metavar="ENCODER", help="folder or hub name of an encoder")
    parser.add_argument("--name", default="teacher", help="of the folder to save it in, below the task's [teacher]")
    parser.add_argument("--epochs", type=int, default=3, help="[3]")
    parser.add_argument("--rate", type=float, default=1e-4, help="largest learning rate [1e-4]")
    parser.add_argument("--texts", type=int, help="a random part of the training texts in each epoch [all]")
    parser.add_argument("--seed", type=int, default=0, help="[0]")
    arguments = shared.parse(parser)
    folder = arguments.work / arguments.task
    if (folder / arguments.name / "result.json").exists():
        return
    torch.manual_seed(arguments.seed)
    generator = np.random.default_rng(arguments.seed)
    (texts, labels), (others, others_labels) = (read(folder / f"{split}.csv") for split in ("train", "validation"))
    names = sorted(set(labels))
    tokenizer = AutoTokenizer.from_pretrained(arguments.base)
    model = AutoModelForSequenceClassification.from_pretrained(
        arguments.base,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        ignore_mismatched_sizes=True,
    )
    training, validation = Texts(texts, tokenizer), Texts(others, tokenizer)
    ids, other_ids = (torch.tensor([names.index(name) for name in part]) for part in (labels, others_labels))
    decayed = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed}, {"params": rest, "weight_decay": 0.0}], lr=arguments.rate)
    size = min(arguments.texts or len(texts), len(texts))
    total = arguments.epochs * math.ceil(size / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (0.1 * total), (total - step) / (0.9 * total))
    )
    found = []
    begin = time.perf_counter()
    for epoch in range(1, arguments.epochs + 1):
        model.train()
        part = generator.permutation(len(texts))[:size]
        losses = []
        for step, rows in enumerate(batches(training.lengths[part], generator), 1):
            rows = part[rows]
            with autocast():
                logits = model(**training.batch(rows)).logits
            loss = torch.nn.functional.cross_entropy(logits.float(), ids[rows])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            losses.append(loss.item())
            if step % 100 == 0:
                print(epoch, step, f"{np.mean(losses[-100:]):.4f} {time.perf_counter() - begin:.0f} s", flush=True)
        found.append(accuracy(model, validation, other_ids))
        print(arguments.task, epoch, f"validation {found[-1]:.4f}", flush=True)
        if found[-1] == max(found):
            model.save_pretrained(folder / arguments.name)
            tokenizer.save_pretrained(folder / arguments.name)
    result = {
        "validation": found,
        "seconds": round(time.perf_counter() - begin),
        "epochs": arguments.epochs,
        "rate": arguments.rate,
        "texts": size,
        "machine": shared.machine(),
    }
    (folder / arguments.name / "result.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
