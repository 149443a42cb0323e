"""Under which names a gateway is called."""

from gateway.edge.hosts import Hosts, default_hosts


def test_a_listener_goes_by_its_own_name_and_those_of_loopback() -> None:
    assert default_hosts("127.0.0.1") == ("127.0.0.1", "localhost", "127.0.0.1", "::1")
    assert default_hosts("parley.example")[0] == "parley.example"
    assert default_hosts("0.0.0.0") == default_hosts("::") == ("*",)


def test_remembering_hosts_has_an_end() -> None:
    hosts = Hosts(["parley.example"])
    for port in range(1000):
        hosts.check(b"parley.example:%d" % port, "1.1")
    assert len(hosts._known) < 1000
