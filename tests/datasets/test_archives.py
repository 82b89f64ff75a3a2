"""Archives that nobody vouches for: bombs, links, ways out of the folder, and plain damage."""

import io
import stat
import zipfile
import zlib

import pytest

from skfedmtl.datasets._archives import unpack
from web import CONTENTS, SMALL, zipped

PATH = "rows.csv"


def read(content):
    return unpack(io.BytesIO(content), SMALL.members, SMALL.limit)


def with_entry(change, content=CONTENTS[PATH], name=PATH):
    """Return an archive whose first entry is changed before it is written."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        change(info)
        archive.writestr(info, content)
        for other in CONTENTS.keys() - {PATH}:
            archive.writestr(other, CONTENTS[other])
    return file.getvalue()


def refuse(content, reason):
    with pytest.raises(OSError, match=reason):
        read(content)


@pytest.mark.parametrize("folder", ["", "one/", "UCI HAR Dataset/two/", "./"])
def test_members_are_found_in_any_folder(folder):
    assert read(zipped(folder=folder)) == CONTENTS


def test_other_entries_do_not_matter():
    more = {"__MACOSX/._rows.csv": b"x", "notrows.csv": b"x", "labels.csv": b"x", "../up": b"x"}
    assert read(zipped(**more)) == CONTENTS


def test_an_archive_within_the_archive():
    assert read(zipped({"UCI HAR Dataset.zip": zipped(), "UCI HAR Dataset.names": b"x"})) == (
        CONTENTS
    )


def test_no_deeper_than_one_archive():
    refuse(zipped({"a.zip": zipped({"b.zip": zipped()})}), "does not hold rows.csv")


def test_which_of_several_archives_would_be_a_guess():
    refuse(zipped({"a.zip": zipped(), "b.zip": zipped()}), "does not hold rows.csv")


@pytest.mark.parametrize("name", ["../rows.csv", "a/../../rows.csv", "/rows.csv", "/etc/rows.csv"])
def test_members_outside_of_the_folder_are_refused(name):
    refuse(with_entry(lambda info: None, name=name), "lies outside of its folder")


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read(zipped(**{"../escaped": b"x", "plain": b"x"}))
    assert list(tmp_path.parent.glob("escaped")) == list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "kind",
    [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFCHR],
    ids="link fifo dir dev".split(),
)
def test_links_and_devices_are_refused(kind):
    def change(info):
        info.external_attr = (kind | 0o777) << 16

    refuse(with_entry(change), "link or no plain file")


def test_a_link_with_a_target_of_the_right_size_is_refused():
    def change(info):
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    target = b"/" * len(CONTENTS[PATH])
    refuse(with_entry(change, content=target), "link or no plain file")


def test_a_member_given_twice_is_refused():
    refuse(zipped(**{"other/rows.csv": b"x"}), "holds rows.csv 2 times")


def test_bombs_are_not_inflated(monkeypatch):
    def inflate(*args):
        raise AssertionError("inflated")

    bomb = zipped({**CONTENTS, PATH: bytes(10**8)})
    nested = zipped({"inner.zip": bytes(10**8)})
    assert len(bomb) < 10**6
    monkeypatch.setattr(zipfile.ZipFile, "open", inflate)
    refuse(bomb, "should have 32000 bytes, has 100000000")
    refuse(nested, "'inner.zip' has 100000000 bytes; at most")


def test_a_bomb_that_lies_about_its_size_is_inflated_to_that_size_only():
    # the size in the directory and in the entry's own header are those of the true file
    content = bytearray(zipped({**CONTENTS, PATH: bytes(10**8)}))
    lie = len(CONTENTS[PATH]).to_bytes(4, "little")
    truth = (10**8).to_bytes(4, "little")
    assert content.count(truth) == 2
    refuse(bytes(content.replace(truth, lie)), "not a readable zip archive: Bad CRC-32")


def test_a_bomb_with_the_right_checksum_fails_the_sha256():
    content = zipped({**CONTENTS, PATH: bytes(10**8)})
    lie = len(CONTENTS[PATH]).to_bytes(4, "little")
    content = content.replace((10**8).to_bytes(4, "little"), lie)
    crc = zlib.crc32(bytes(10**8)).to_bytes(4, "little")
    small = zlib.crc32(bytes(len(CONTENTS[PATH]))).to_bytes(4, "little")
    refuse(content.replace(crc, small), "rows.csv is damaged or not the expected file")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_methods_are_refused(method):
    def change(info):
        info.compress_type = method

    refuse(with_entry(change), "packed by an unusual method")


def test_encrypted_members_are_refused():
    content = bytearray(zipped())
    start = content.index(b"PK\x01\x02")
    content[start + 8] |= 1
    refuse(bytes(content), "encrypted")


@pytest.mark.parametrize("size", [0, 1, 100, -1, -30])
def test_damaged_archives_are_refused(size):
    refuse(zipped()[:size], "not a readable zip archive")


def test_a_flipped_bit_is_noticed():
    content = zipped()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 4
        try:
            assert read(bytes(damaged)) == CONTENTS  # where it does not matter
        except OSError:
            pass


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_wrong_members_are_refused(name):
    longer = {**CONTENTS, name: CONTENTS[name] + b"\n"}
    refuse(zipped(longer), f"{name} should have .* bytes, has")
    other = {**CONTENTS, name: b"2" + CONTENTS[name][1:]}
    refuse(zipped(other), f"{name} is damaged or not the expected file: its sha256 should be")
    refuse(zipped({k: v for k, v in CONTENTS.items() if k != name}), f"does not hold {name}")
