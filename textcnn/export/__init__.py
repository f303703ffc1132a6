"""Trained models as files for other programs.

Modules:
    onnx_files: `to_onnx`, which writes a model as an ONNX file, and beside it what turns texts into ids.
    networks: The layers of each architecture as ONNX operators.
    _scoring: From ids to probabilities: the loop over lengths, the look-up tables, the softmax layer.
    _windows: The windows of the first layer.
    _bag_graph: The bag of n-grams.
    _graph: A graph under construction.
"""
