"""Messages of trainings in the words of `nsface reproduce`, which always resumes and changes no recipe."""

from __future__ import annotations

_WORDS = {
    "--resume: ": "",
    "the same command with --resume goes on": "the same command goes on",
    "go on with the same command and --resume": "go on with the same command",
    "and go on with --resume": "and go on with the same command",
    "give --changed to go on with these on purpose, ": "",
    "repeat the command with --resume --changed --set": "begin again in another --out with --set",
    "--batch-size ": "--set batch_size=",
    " or --network": " or network.name",
}  # what a training says, and what is said of a training of a table


def in_words_of_tables(message: str) -> str:
    """`message` of a training, without options that the command has not."""
    for words, own in _WORDS.items():
        message = message.replace(words, own)
    return message
