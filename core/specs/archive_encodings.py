"""The encodings of file names in archives that an import may be told."""

from typing import Literal

ArchiveEncoding = Literal[
    "utf-8",
    "gbk",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_jp",
    "cp949",
    "cp437",
    "cp850",
    "cp852",
    "cp866",
    "cp874",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1258",
    "koi8_r",
]
"""Python's names of the encodings that zip and tar programs have written."""
