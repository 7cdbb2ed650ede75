"""A table of labels beside a folder of clips."""

from pathlib import Path

import pytest

from core.corpora.readers.clip_formats import SUFFIXES
from core.corpora.readers.labels_table import LabelsTable, find_table
from core.corpora.readers.table_options import TableOptions
from core.corpora.readers.untrusted import csv_rows
from core.errors import CorpusError
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import Read, coco_keypoints, read
from tests.memory import MIB, memory_within

SIZE = (written.WIDTH, written.HEIGHT)


def folder_of(path: Path, *clips: str) -> Path:
    """A folder of `.pose` clips."""
    for clip in clips:
        written.write_pose(path / f"{clip}.pose", coco_keypoints(2))
    return path


def table(folder: Path, *lines: str, name: str = "labels.csv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def found_in(folder: Path) -> LabelsTable | None:
    return find_table(folder, [folder / "labels.csv"], TableOptions())


def facts(result: Read) -> list[tuple[str | None, ...]]:
    return [(clip.name, clip.label, clip.signer, clip.session, clip.split) for clip in result.clips]


def test_it_says_who_signs_what(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a", "b/c", "b/d")
    table(
        folder,
        "name,label,signer,session,split,remark",
        "a,tea,ann,monday,train,nice",
        "b/c.pose,coffee,ben,,test,",
        "d.mp4,,,,,",
    )
    result = read(folder)
    assert facts(result) == [
        ("a", "tea", "ann", "monday", "train"),
        ("b/c", "coffee", "ben", None, "test"),
        ("b/d", None, None, None, None),
    ]
    assert result.report.notes == [
        "Columns of labels.csv that were not used: remark.",
        "1 clip without a gloss in labels.csv: d.",
    ]


def test_clips_without_a_row_and_rows_without_a_clip_are_reported(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *(f"clip{number}" for number in range(7)))
    table(folder, "file,gloss", "clip0,tea", *(f"gone{number},tea" for number in range(2)))
    result = read(folder)
    assert [clip.label for clip in result.clips] == ["tea"] + [None] * 6
    assert result.report.notes == [
        "6 clips not in labels.csv: clip1, clip2, clip3, clip4, clip5 and 1 more.",
        "2 names in labels.csv without a clip: gone0, gone1.",
    ]


def test_a_table_of_other_clips_is_refused(tmp_path: Path) -> None:
    folder = table(folder_of(tmp_path, "a", "b"), "name,label", "video/1,tea", "video/2,tea")
    with pytest.raises(
        CorpusError, match=r"labels\.csv lists none .* lists video/1, video/2; the clips are a, b\."
    ):
        read(folder)
    with pytest.raises(CorpusError, match="It lists none; the clips are a, b"):
        read(table(folder, "name,label"))


def test_it_may_lie_in_a_folder_beside_its_clips(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "data" / "mine", "tea/a")
    table(folder, "name,label", "tea/a,coffee")
    assert facts(read(tmp_path)) == [("tea/a", "coffee", None, None, None)]


def test_it_labels_folders_of_frames_too(tmp_path: Path) -> None:
    written.write_openpose(tmp_path / "first", coco_keypoints(2))
    table(tmp_path, "path,sign", "first,tea")
    assert facts(read(tmp_path, size=SIZE)) == [("first", "tea", None, None, None)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_name_may_have_the_ending_of_any_pose_file(tmp_path: Path, suffix: str) -> None:
    folder = table(folder_of(tmp_path, "a"), "name,label", f"a{suffix},tea")
    assert facts(read(folder)) == [("a", "tea", None, None, None)]


def test_spaces_and_capitals_in_the_header_mean_nothing(tmp_path: Path) -> None:
    folder = table(folder_of(tmp_path, "a"), "Name, Label ,SIGNER", "a, tea,ann")
    assert facts(read(folder)) == [("a", "tea", "ann", None, None)]


def test_windows_may_have_written_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "b/c")
    (folder / "labels.csv").write_bytes('\ufeffname,label\r\nb\\c.pose,"tea, green"\r\n'.encode())
    assert facts(read(folder)) == [("b/c", "tea, green", None, None, None)]


def test_a_train_csv_of_something_else_is_no_table(tmp_path: Path) -> None:
    folder = table(folder_of(tmp_path, "tea/a"), "epoch,loss", "1,0.5", name="train.csv")
    result = read(folder)
    assert facts(result) == [("tea/a", "tea", None, None, None)]
    assert result.report.notes == [
        "1 other file was not read (.csv).",
        "If train.csv is a table of labels, an import reads it with --labels train.csv.",
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["label,signer", "tea,ann"], r"must have a column 'name'; its columns are 'label', 'signer'"),
        ([""], "must have a column 'name'; its columns are none"),
        (
            ["name;gloss", "a;tea;ann"],
            "line 2: it has 3 cells, but there are 2 columns, separated by semicolons",
        ),
        (["name,gloss", "a,tea", "", "b,tea, green"], "line 4: it has 3 cells, but there are 2 columns"),
        (["name,file,label", "a,a,tea"], "columns 'name' and 'file', which mean the same"),
        (["name,label", "a,tea", "a.pose,coffee"], "has two different rows for 'a'"),
        (["name,label", ",tea"], "line 2: the name is empty"),
        (["name,label", 'a,"tea'], "is damaged after line 1: unexpected end of data"),
        (["name,label", "a," + "x" * 200_000], "has a row of more than 131072 characters"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(CorpusError, match=message) as caught:
        read(table(folder_of(tmp_path, "a"), *lines))
    assert "labels.csv" in str(caught.value)


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a")
    (folder / "labels.csv").write_bytes(b"name,label\na,\xff\xfe\n")
    with pytest.raises(CorpusError, match=r"labels\.csv is not UTF-8 text.*Save it as CSV in UTF-8"):
        read(folder)


def test_an_ambiguous_name_is_refused(tmp_path: Path) -> None:
    folder = table(folder_of(tmp_path, "x/a", "y/a"), "name,label", "a,tea")
    with pytest.raises(CorpusError, match="'a' is ambiguous: it matches 'x/a' and 'y/a'"):
        read(folder)


def test_two_tables_are_refused(tmp_path: Path) -> None:
    folder = table(folder_of(tmp_path, "x/a"), "name,label", "x/a,tea")
    table(folder / "x", "name,label", "a,tea")
    with pytest.raises(CorpusError, match=r"both tables of labels\. Keep one"):
        read(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name," + ",".join(f"c{n}" for n in range(2500)) + "\n" + "," * 2500 + "\n", "has 2501 columns"),
        ("name\na" + "," * 2500 + "\n", "has 2501 columns; the limit is 2500"),
        ("name\na" + "," * 4_000_000, "has a row of more than 131072 characters"),
        ('name\n"' + '","\n' * 200_000, "has a row of more than 131072 characters"),
        ("name," + "x" * 100_000 + "," + "y" * 100_000, "has a row of more than 131072 characters"),
    ],
    ids=["wide header", "wide row", "long row", "row of many lines", "long cells"],
)
def test_a_table_that_is_no_table_of_clips_takes_little(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(content)
    with memory_within(24 * MIB), pytest.raises(CorpusError, match=message):
        found_in(tmp_path)


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MAX_ROWS", 100)
    (tmp_path / "labels.csv").write_text("name\n" + "\n".join(map(str, range(100))))
    assert found_in(tmp_path) is not None
    (tmp_path / "labels.csv").write_text("name\n" + "\n".join(map(str, range(101))))
    with pytest.raises(CorpusError, match="has more than 100 rows"):
        found_in(tmp_path)


def test_a_message_about_many_columns_is_short(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(",".join(f"c{n}" for n in range(900)))
    with pytest.raises(CorpusError, match=r"'c19' and 880 more\."):
        found_in(tmp_path)


EXPECTED = [("a", "café", "ann", None, "test"), ("b", "thé vert", "ann", None, "train")]
ROWS = [["name", "gloss", "signer", "split"], ["a", "café", "ann", "test"], ["b", "thé vert", "ann", "train"]]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encoding_and_separator_are_found(tmp_path: Path, separator: str, encoding: str) -> None:
    folder = folder_of(tmp_path, "a", "b")
    text = "".join(separator.join(row) + "\r\n" for row in ROWS)
    (folder / "labels.csv").write_bytes(text.encode(encoding))
    result = read(folder)
    assert facts(result) == EXPECTED
    guessed = [note for note in result.report.notes if "cp1252" in note]
    assert len(guessed) == (encoding == "cp1252")
    assert all("'café'" in note for note in guessed)


@pytest.mark.parametrize(
    ("encoding", "gloss"),
    [
        ("gbk", "书本"),
        ("shift_jis", "本を読む"),
        ("cp1251", "книга"),
        ("mac_roman", "café"),
        ("mac_roman", "naïve"),
        ("cp850", "café"),
    ],
)
def test_other_encodings_are_refused(tmp_path: Path, encoding: str, gloss: str) -> None:
    folder = folder_of(tmp_path, "a")
    (folder / "labels.csv").write_bytes(f"name,gloss\na,{gloss}\n".encode(encoding))
    with pytest.raises(CorpusError, match="Save it as CSV in UTF-8"):
        read(folder)


def test_a_table_may_have_any_name_and_columns(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "poses/a", "poses/b")
    (folder / "annotations.tsv").write_text("id\ttext\tWho\nposes/a\tcafé\tann\nposes/b\ttea\tben\n")
    options = TableOptions("annotations.tsv", {"clip": "id", "gloss": "text", "signer": "who"})
    assert facts(read(folder, table=options)) == [
        ("poses/a", "café", "ann", None, None),
        ("poses/b", "tea", "ben", None, None),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TableOptions("other.csv"), r"'other\.csv', but .* has no such file\. Its tables: annotations\.csv"),
        (
            TableOptions("annotations.csv", {"clip": "name"}),
            r"no column 'name'.*; its columns are 'id', 'text'",
        ),
        (TableOptions(None, {"clip": "id"}), r"has no labels\.csv, of which columns are stated\. Set labels"),
    ],
)
def test_a_wrong_option_names_what_is_there(tmp_path: Path, options: TableOptions, message: str) -> None:
    folder = table(folder_of(tmp_path, "a"), "id,text", "a,tea", name="annotations.csv")
    with pytest.raises(CorpusError, match=message):
        read(folder, table=options)


def test_names_of_columns_keep_their_case_in_messages(tmp_path: Path) -> None:
    folder = table(folder_of(tmp_path, "a"), "ID,Gebärde", "a,tea")
    with pytest.raises(CorpusError, match=r"no column 'Datei', .*; its columns are 'ID', 'Gebärde'"):
        read(folder, table=TableOptions(columns={"clip": "Datei"}))
    result = read(folder, table=TableOptions(columns={"clip": "id"}))
    assert "Columns of labels.csv that were not used: Gebärde." in result.report.notes


def test_endings_of_videos_may_be_kept(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "v0.mp4", "x/v1.MOV")
    table(folder, "name,gloss", "v0.mp4,tea", "v1,coffee")
    assert [(clip.name, clip.label) for clip in read(folder).clips] == [
        ("v0.mp4", "tea"),
        ("x/v1.MOV", "coffee"),
    ]


def test_names_match_in_any_unicode_form(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "cafe\u0301/1")  # as macOS writes it
    table(folder, "name,gloss", "caf\u00e9/1,\u200fthe\u0301\ufeff ")
    assert facts(read(folder)) == [("caf\u00e9/1", "th\u00e9", None, None, None)]


def test_a_real_folder_whose_names_keep_their_endings(shared_data: Path) -> None:
    result = read(shared_data / "cases" / "kept-suffix")
    assert [clip.label is not None for clip in result.clips] == [True, True]
