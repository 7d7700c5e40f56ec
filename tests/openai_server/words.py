"""The tokens of this server: a word is one."""


def words_in(text: str) -> int:
    """How many tokens the text counts as."""
    return len(text.split())


def pieces_of(text: str) -> list[str]:
    """The text in the pieces that a stream sends it in: a word with the space before it."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])] if text else []
