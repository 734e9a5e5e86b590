"""The special tokens of the checkpoints that are trained here, and their ids.

The published checkpoint has other ids; its own configuration and tokenizer name them.
"""

from __future__ import annotations

BLANK_TOKEN = "<blank>"
# In the order of their ids.
SPECIAL_TOKENS = ("<pad>", "<eos>", "<bos>", BLANK_TOKEN, "<|image|>", "<|image>", "<image|>", "<|turn>", "<turn|>")
PAD, EOS, BOS, BLANK, IMAGE, BEGIN_IMAGE, END_IMAGE, BEGIN_TURN, END_TURN = range(len(SPECIAL_TOKENS))
