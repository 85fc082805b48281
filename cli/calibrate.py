"""`nsface calibrate`: a threshold for a wanted rate of errors, to be applied to other data."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import click

from nsface.cli.evaluate import build_protocol, options_checked, protocol_options
from nsface.cli.inputs import Inputs, embeddings_options
from nsface.cli.output import emit_result, json_file, json_option, note_all, output_option
from nsface.files import write_text
from nsface.protocols.calibrate import Calibrate


@click.command(help=str(inspect.getdoc(Calibrate)).replace("\n\nExample", "\n\n\b\nExample"))
@embeddings_options
@protocol_options(Calibrate)
@output_option("The file of the threshold, JSON.", json_file)
@json_option
def command(inputs: Inputs, output: Path, json_to: str | None, **given: Any) -> None:
    if json_to == str(output):
        raise click.UsageError("--output and --json are one file; --output is JSON already")
    protocol = build_protocol(Calibrate, given)
    with options_checked():
        lists = protocol.read()
    measured = protocol.measure(inputs.load(), lists)
    result = measured.result()
    write_text(output, json.dumps(result.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    note_all(measured.notes)
    emit_result(result, json_to)
