"""From texts to tokens to ids.

Modules:
    columns: Strings in any usual container as an Arrow column.
    tokenizer: Texts to tokens by one of four grammars, for many texts at once or for one with positions.
    tokens: The tokens (`Tokens`) and ids (`Encoded`) of many texts as flat arrays with offsets.
    vocabulary: The words that a model knows and their ids; word counts.
    encoding: Columns of texts to flat ids, compiled where possible.
    ngrams: The n-grams of a linear bag: which ones, their numbers and their factors.
    _characters: The class of every Unicode character in the grammars.
"""
