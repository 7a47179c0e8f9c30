"""Which reads take which instances."""

from storage_service.domain.metadata import BASE, with_base
from storage_service.domain.retrieval import GAP, READ, Stored, in_storage_order, reads


def at(offset: int, length: int, pack: str = "a") -> Stored:
    return Stored("1", "1.1", f"1.1.{offset}", "1.2", "1.2", "bucket", pack, offset, length, 300)


def test_neighbours_are_read_together() -> None:
    near = [at(1024, 1000), at(4096, 1000), at(8192, 1000)]
    assert list(reads(in_storage_order(near[::-1]))) == [near]


def test_a_gap_another_pack_or_too_much_begins_a_new_read() -> None:
    first, far = at(0, 100), at(100 + GAP + 1, 100)
    assert list(reads([first, far])) == [[first], [far]]
    other = at(100, 100, pack="b")
    assert list(reads([first, other])) == [[first], [other]]
    big, next_ = at(0, READ - 100), at(READ, 200)
    assert list(reads([big, next_])) == [[big], [next_]]
    huge = at(0, READ * 3)
    assert list(reads([huge])) == [[huge]]
    assert list(reads([])) == []


def test_only_addresses_get_the_real_root() -> None:
    made = f'[{{"7FE00010":{{"vr":"OW","BulkDataURI":"{BASE}/studies/1"}},"00104000":{{"Value":["{BASE}/"]}}}}]'
    assert (
        with_base(made.encode(), "http://h/dicomweb")
        == (
            f'[{{"7FE00010":{{"vr":"OW","BulkDataURI":"http://h/dicomweb/studies/1"}},"00104000":{{"Value":["{BASE}/"]}}}}]'
        ).encode()
    )
