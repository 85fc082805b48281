"""The tables of the Noisy Softmax paper, trained anew: one budget for all arms, several seeds, paired tests.

An arm is a change of the table's recipe (`arms`), a table names its recipe, scales and published figures
(`tables`), every training is an ordinary run in a folder of its own (`jobs`), and what the run folders hold
is read from there (`outcomes`).
"""
