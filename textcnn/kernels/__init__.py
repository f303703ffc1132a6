"""The inner loops over look-up tables and pooled positions, compiled (`_kernels.c`).

`compiled` is False where textcnn was installed without a compiler; `textcnn.nn` and `textcnn.inference` then do
the same in torch and numpy. Arrays are contiguous: numbers float32, ids and sizes int32, offsets and counts int64.
Shapes: B texts, U distinct words, N words in total, R regions, S slots, F feature maps, D dimensions, P positions, K
classes; text b has the words `ids[offsets[b]:offsets[b + 1]]`.

Results have the same bits whatever the number of threads. An argument of another type raises TypeError; one of a wrong
shape, or with numbers out of range, raises ValueError.
"""

from __future__ import annotations

from textcnn.kernels._layers import MOST_CODES as MOST_CODES
from textcnn.kernels._layers import code_logits as code_logits
from textcnn.kernels._layers import k_max as k_max
from textcnn.kernels._layers import k_windows as k_windows
from textcnn.kernels._layers import max_logits as max_logits
from textcnn.kernels._layers import max_windows as max_windows
from textcnn.kernels._layers import max_windows_back as max_windows_back
from textcnn.kernels._layers import mean_windows as mean_windows
from textcnn.kernels._layers import mean_windows_back as mean_windows_back
from textcnn.kernels._layers import row_layers as row_layers
from textcnn.kernels._layers import row_layers_back as row_layers_back
from textcnn.kernels._layers import row_logits as row_logits
from textcnn.kernels._layers import sum_windows as sum_windows
from textcnn.kernels._layers import sum_windows_back as sum_windows_back
from textcnn.kernels._loading import loops
from textcnn.kernels._optimizers import settle_adam as settle_adam
from textcnn.kernels._optimizers import step_adadelta as step_adadelta
from textcnn.kernels._optimizers import step_adam as step_adam
from textcnn.kernels._spinning import limit_spinning as limit_spinning
from textcnn.kernels._words import NgramTable as NgramTable
from textcnn.kernels._words import WordTable as WordTable
from textcnn.kernels._words import number_words as number_words

compiled = loops is not None
