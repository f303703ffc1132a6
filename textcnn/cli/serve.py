"""`textcnn serve`: a model behind HTTP."""

from __future__ import annotations

import click

from textcnn.cli.common import GroupedCommand, model_option, option
from textcnn.serving import MAX_BODY, MAX_TEXTS, MOST_BODY

_MB = 1 << 20


@click.command(cls=GroupedCommand)
@model_option
@option(
    "--host",
    default="127.0.0.1",
    metavar="NAME",
    show_default=True,
    group="Server",
    help="Name or address to listen at: 0.0.0.0 for all of this machine's.",
)
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    metavar="N",
    show_default=True,
    group="Server",
    help="Port to listen at; 0 takes a free one, which the log names.",
)
@option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    show_default=True,
    group="Server",
    help="Processes that share the work, each with its own copy of the model.",
)
@option(
    "--max-body",
    type=click.IntRange(1, MOST_BODY // _MB),
    default=MAX_BODY // _MB,
    metavar="MB",
    show_default=True,
    group="Limits",
    help="Refuse requests with larger bodies.",
)
@option(
    "--max-texts",
    type=click.IntRange(min=1),
    default=MAX_TEXTS,
    metavar="N",
    show_default=True,
    group="Limits",
    help="Refuse requests with more texts.",
)
def command(model: str, host: str, port: int, workers: int, max_body: int, max_texts: int) -> None:
    """Answer requests over HTTP with a model, until Ctrl-C or SIGTERM.

    POST /predict labels texts and POST /explain explains their labels; GET /docs
    describes both. GET /health and GET /metrics (Prometheus) are for those who run it.
    The log is a JSON object a line on stderr, and never has the texts. Requests in
    flight are answered before it ends. SIGHUP loads the model again while the one
    before answers, and keeps that if it cannot (Windows has no SIGHUP). Whoever
    reaches the port can use it: there is no password and no encryption.

    \b
    Examples:
      textcnn serve -m my-model
      curl -d '{"texts": ["not bad at all"]}' http://127.0.0.1:8000/predict
      textcnn serve -m my-model --host 0.0.0.0 --port 80 --workers 4
    """
    from textcnn.serving import serve

    serve(model, host=host, port=port, workers=workers, max_body=max_body * _MB, max_texts=max_texts)
