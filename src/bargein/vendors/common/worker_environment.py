"""The environment of a worker process: what an interpreter and its native libraries need, and no secret of ours.

A list of what may pass, and none of what may not: a key can have any name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "LANG", "LANGUAGE", "TMPDIR", "TEMP", "TMP"),
        *("SYSTEMROOT", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA", "USERPROFILE"),  # Windows
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "VIRTUAL_ENV"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS"),
        *("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "TRANSFORMERS_OFFLINE", "TRANSFORMERS_CACHE"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_PROXY", "no_proxy"),
        "ESPEAK_DATA_PATH",
    }
)
PREFIXES = ("LC_", "XDG_", "OMP_", "OPENBLAS_", "MKL_", "KMP_", "NUMEXPR_", "VECLIB_", "CUDA_", "NVIDIA_", "MOONSHINE_")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")  # only those without a password
SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")  # in a name: never, whatever the beginning


def worker_environment(more: Iterable[str] = (), given: Mapping[str, str] | None = None) -> dict[str, str]:
    """more: names that this worker needs besides. given: None is the process's environment."""
    given = os.environ if given is None else given
    wanted = NAMES | set(more)
    return {name: value for name, value in given.items() if name in wanted or _harmless(name, value)}


def _harmless(name: str, value: str) -> bool:
    upper = name.upper()
    if any(word in upper for word in SECRET):
        return False
    return upper.startswith(PREFIXES) or (upper in PROXIES and _has_no_password(value))


def _has_no_password(url: str) -> bool:
    try:
        return "@" not in urlsplit(url).netloc
    except ValueError:
        return False
