"""Sources for the linter: what is written in a handler, and the findings in it."""

from __future__ import annotations

import textwrap

from durabletest.lint.rules import findings_in

HEADER = """\
import asyncio, boto3, contextlib, functools, glob, httpx, itertools, os, platform, queue, random, requests, secrets
import socket, subprocess, time, uuid
import datetime as dt
import random as dice
from datetime import UTC, date, datetime
from datetime import datetime as moment
from os import environ, getenv
from pathlib import Path
from time import perf_counter as ticks
from uuid import uuid4 as new_id, uuid5
from urllib.request import urlopen
from aws_durable_execution_sdk_python import (
    DurableContext, ParallelBranch, StepContext, StepError, SuspendExecution,
    durable_execution, durable_step, durable_parallel_branch, durable_wait_for_callback, durable_with_child_context,
)
from aws_durable_execution_sdk_python import durable_execution as durable
from aws_durable_execution_sdk_python.config import StepConfig, StepSemantics
"""


def rules_in(source: str) -> list[str]:
    """The rules of the findings in a module's source, with the text of the line each is about."""
    text = HEADER + textwrap.dedent(source)
    lines = text.splitlines()
    found, _ = findings_in(text, "app.py")
    return [f"{one.rule}: {lines[one.line - 1].strip()}" for one in found]


def in_a_handler(body: str) -> list[str]:
    """The rules of the findings in a handler with this body."""
    return rules_in(
        "@durable_execution\ndef handler(event, context):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    )
