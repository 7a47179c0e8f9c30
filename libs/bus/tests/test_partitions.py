"""Keys lie where any other Kafka client would put them."""

from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from fj_bus.partitions import murmur2, partition_of
from hypothesis import given
from hypothesis import strategies as st


@given(st.binary(max_size=100))
def test_the_hash_is_that_of_kafka_s_default_partitioner(data: bytes) -> None:
    assert murmur2(data) == aiokafka_murmur2(data) & 0xFFFFFFFF


def test_a_key_has_the_partition_of_kafka_s_own_tests() -> None:
    """Vectors of Kafka's UtilsTest, where the hash is a signed number."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    assert {data: murmur2(data) for data in known} == {data: value & 0xFFFFFFFF for data, value in known.items()}
    assert partition_of("abc", 12) == 479470107 % 12
