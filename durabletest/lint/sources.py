"""Calls that answer otherwise in each replay or process, and so belong in a step."""

from __future__ import annotations

import re

_HTTP = "get|post|put|patch|delete|head|options|request|stream"
_SOURCES = {
    "clock": r"datetime\.(datetime\.(now|utcnow|today)|date\.today)|django\.utils\.timezone\.now"
    r"|time\.(time|monotonic|perf_counter|process_time|thread_time|clock_gettime)(_ns)?"
    r"|(pendulum|arrow)\.(now|utcnow|today)",
    "random": r"random\.(?!(Random|seed|setstate)\b)\w+|secrets\.\w+|os\.urandom"
    r"|numpy\.random\.(?!(default_rng|seed|Generator|RandomState)\b)\w+",
    "uuid": r"uuid\.uuid[14678]",
    "environment": r"os\.(getenv|getenvb|getpid|getppid|getcwd|uname|cpu_count)|uuid\.getnode|getpass\.getuser"
    r"|socket\.(gethostname|getfqdn)|platform\.(node|machine|system|platform|uname)|builtins\.(id|hash|input)"
    r"|os\.environb?(\.\w+)?|threading\.get_(ident|native_id)",
    "network": rf"(requests|httpx)\.({_HTTP})|requests\.[Ss]ession\(\)\.({_HTTP})|httpx\.(Async)?Client\(\)\.({_HTTP})"
    rf"|aiohttp\.ClientSession\(\)\.({_HTTP})|urllib\.request\.url(open|retrieve)|urllib3\.request"
    r"|urllib3\.PoolManager\(\)\.(request|urlopen)|http\.client\.HTTPS?Connection\(\)\.(request|getresponse)"
    r"|socket\.(create_connection|getaddrinfo|gethostbyname)|smtplib\.SMTP(_SSL)?(\(\)\.\w+)?"
    r"|boto3\.(session\.Session\(\)\.|Session\(\)\.)?(client|resource)\(\)\.([\w.()]+\.)?"
    r"(?!(get_paginator|get_waiter|can_paginate|close)$)[a-z]\w*"
    r"|(psycopg2?|pymysql|asyncpg|sqlite3|mysql\.connector)\.connect|redis\.Redis\(\)\.(?!close$)\w+",
    "files": r"builtins\.open|io\.open|shutil\.\w+|subprocess\.(run|call|check_call|check_output|Popen)|glob\.i?glob"
    r"|os\.(listdir|scandir|walk|stat|remove|unlink|rename|replace|makedirs|mkdir|rmdir|system|popen)"
    r"|os\.path\.(exists|isfile|isdir|getsize|getmtime)|tempfile\.\w+"
    r"|pathlib\.Path\(\)(\.\w+\(\))*\.(read_text|read_bytes|write_text|write_bytes|open|exists|is_file|is_dir|stat|iterdir"
    r"|i?r?glob|mkdir|unlink|touch)",
}
_WITHOUT_ARGUMENTS = {
    "clock": (0, r"time\.(ctime|localtime|gmtime|asctime)"),
    "random": (0, r"random\.Random|numpy\.random\.(default_rng|RandomState)"),
}
"""Calls that are a source only if they are given nothing: the clock in place of a time, a seed of chance."""
CURES = {
    "clock": "reads the clock, which shows another time in each replay: call it in a step",
    "random": "is another value in each replay: call it in a step",
    "uuid": "is another value in each replay: call it in a step",
    "environment": "may be another value in the process in which the execution goes on: read it in a step",
    "network": "is repeated in each replay, and may be answered otherwise: call it in a step",
    "files": "is repeated in each replay, and may find other files: call it in a step",
}


def source_of(origin: str, given: int) -> str | None:
    """The rule against a call, by the dotted name of what is called and its number of arguments; None if it may be."""
    for rule, (most, pattern) in _WITHOUT_ARGUMENTS.items():
        if given <= most and re.fullmatch(pattern, origin):
            return rule
    if origin == "time.strftime" and given == 1:
        return "clock"
    return next((rule for rule, pattern in _SOURCES.items() if re.fullmatch(pattern, origin)), None)
