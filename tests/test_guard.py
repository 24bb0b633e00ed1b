"""Which addresses the crawler may connect to."""

import pytest

from crawler.guard import Guard, Policy

PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.32.0.1", "192.0.1.1", "223.255.255.255"]
PUBLIC += ["2606:4700:4700::1111", "2001:200::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]

PRIVATE = ["127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255"]
PRIVATE += ["192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.170", "192.0.2.1"]
PRIVATE += ["192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1"]
PRIVATE += ["239.255.255.250", "240.0.0.1", "255.255.255.255"]
PRIVATE += ["::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:0:127.0.0.1", "100::1"]
PRIVATE += ["64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "2001::1", "2001:0:808:808::1"]
PRIVATE += ["2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1"]
PRIVATE += ["5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "4000::1"]

NO_ADDRESSES = [
    "",
    "localhost",
    "127.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "8.8.8.8 ",
    "8.8.8.8\0",
    "8.8.8.8/32",
    "1",
    "[::1]",
]
NO_ADDRESSES += ["fe80::1%eth0", "2606:4700:4700::1111%1", ":::", "256.1.1.1", "/var/run/socket"]


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("policy", ["seeds", "allow", "deny"])
def test_public_addresses_are_always_allowed(policy: Policy, address: str) -> None:
    assert Guard(policy, [], {}).allows("example.com:80", address)


@pytest.mark.parametrize("address", PRIVATE)
def test_other_addresses_go_by_the_policy(address: str) -> None:
    seed, other = "seed.test:80", "other.test:80"
    assert [Guard("allow", [seed], {}).allows(host, address) for host in (seed, other)] == [True, True]
    assert [Guard("deny", [seed], {}).allows(host, address) for host in (seed, other)] == [False, False]
    assert [Guard("seeds", [seed], {}).allows(host, address) for host in (seed, other)] == [True, False]


@pytest.mark.parametrize("address", NO_ADDRESSES)
@pytest.mark.parametrize("policy", ["seeds", "allow", "deny"])
def test_what_is_no_plain_address_is_never_allowed(policy: Policy, address: str) -> None:
    assert not Guard(policy, ["seed.test:80"], {}).allows("seed.test:80", address)


def test_a_seed_is_a_name_with_its_port() -> None:
    guard = Guard("seeds", ["seed.test:8000"], {})
    assert guard.allows("seed.test:8000", "127.0.0.1")
    assert not guard.allows("seed.test:8001", "127.0.0.1")
    assert not guard.allows("sub.seed.test:8000", "127.0.0.1")


def test_a_seed_keeps_the_private_addresses_it_was_first_tried_at() -> None:
    guard = Guard("seeds", ["seed.test:80"], {})
    assert guard.allows("seed.test:80", "::1")  # nothing listens there, so the next one is tried
    assert guard.allows("seed.test:80", "127.0.0.1")
    guard.answered("seed.test:80")
    assert guard.allows("seed.test:80", "::1")
    assert guard.allows("seed.test:80", "::ffff:127.0.0.1"), "the same address in another spelling"
    assert guard.allows("seed.test:80", "8.8.8.8")
    assert not guard.allows("seed.test:80", "127.0.0.2")
    assert not guard.allows("seed.test:80", "169.254.169.254")
    assert guard.pinned == {"seed.test:80": ["127.0.0.1", "::1"]}


def test_a_seed_that_was_public_at_first_stays_public() -> None:
    guard = Guard("seeds", ["seed.test:80"], {})
    assert guard.allows("seed.test:80", "8.8.8.8")
    guard.answered("seed.test:80")
    assert not guard.allows("seed.test:80", "127.0.0.1")
    assert guard.pinned == {"seed.test:80": []}


def test_pins_hold_over_a_restart() -> None:
    first = Guard("seeds", ["inner.test:80", "outer.test:80", "late.test:80"], {})
    assert first.allows("inner.test:80", "10.0.0.1")
    first.answered("inner.test:80")
    first.answered("outer.test:80")
    again = Guard("seeds", ["inner.test:80", "outer.test:80", "late.test:80"], first.pinned)
    again.admit("outer.test:80")
    assert again.pinned == first.pinned
    assert again.allows("inner.test:80", "10.0.0.1")
    assert not again.allows("inner.test:80", "10.0.0.2")
    assert not again.allows("outer.test:80", "10.0.0.1")
    assert again.allows("late.test:80", "10.0.0.3"), "it had not answered before the restart"


def test_a_stricter_policy_overrules_pins() -> None:
    assert not Guard("deny", ["seed.test:80"], {"seed.test:80": ["10.0.0.1"]}).allows("seed.test:80", "10.0.0.1")


def test_a_seed_can_be_named_later() -> None:
    guard = Guard("seeds", [], {})
    assert not guard.allows("seed.test:80", "10.0.0.1")
    guard.admit("seed.test:80")
    assert guard.allows("seed.test:80", "10.0.0.1")


def test_the_revision_tells_that_pins_changed() -> None:
    guard = Guard("seeds", ["seed.test:80"], {})
    guard.allows("seed.test:80", "10.0.0.1")
    guard.answered("other.test:80")
    assert (guard.revision, guard.pinned) == (0, {})
    guard.answered("seed.test:80")
    guard.answered("seed.test:80")
    assert guard.revision == 1


def test_other_policies_hand_on_the_pins_they_were_given() -> None:
    """So that a run with another --private does not undo what an earlier one pinned."""
    pins = {"seed.test:80": ["10.0.0.1"]}
    guard = Guard("allow", ["seed.test:80", "other.test:80"], pins)
    guard.allows("seed.test:80", "10.0.0.2")
    guard.answered("seed.test:80")
    guard.answered("other.test:80")
    assert (guard.revision, guard.pinned) == (0, pins)
