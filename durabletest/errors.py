"""Every exception that durabletest raises, under one root.

There are two families:

* :class:`UsageError`: the test or its configuration is wrong. The message says what is wrong and what to write instead.
* All others are about a run: it failed, it is stuck, its server died.

The failure of a test is none of them, but an ``AssertionError`` (``failureException`` of the test case). Refusals of
the Lambda API are botocore's own modelled ``ClientError`` classes, as boto3 raises them.
"""

from __future__ import annotations

import copy
from typing import Any, Self, TypeVar

ErrorT = TypeVar("ErrorT", bound=BaseException)


class DurableTestError(Exception):
    """The root of every exception of durabletest."""

    def again(self) -> Self:
        """A copy for another thread, which raises it with a traceback of its own."""
        error = copy.copy(self)
        error.__cause__ = self.__cause__
        return error


# --- wrong use --------------------------------------------------------------------------------------------------------


class UsageError(DurableTestError):
    """durabletest was used wrongly; the message says what to write instead."""


class ConfigurationError(UsageError):
    """A class attribute, argument or environment variable has an invalid value."""


class HandlerNotDurableError(UsageError):
    """The handler was called, and never entered the SDK's ``@durable_execution``."""


class PayloadError(UsageError, ValueError):
    """A value cannot be written as JSON; the message holds the path inside the value."""


class OperationNotFoundError(UsageError, LookupError):
    """No operation has this name, path, index or id; the message lists those that exist."""


class AmbiguousOperationError(UsageError, LookupError):
    """A path has two meanings; the message says how to write each."""


class WrongOperationTypeError(UsageError, TypeError):
    """The details or callback methods of one operation type were used on an operation of another type."""


class FunctionNotRegisteredError(UsageError, LookupError):
    """A chained invoke names a function that is not registered; the message lists those that are."""


class NeverUsedError(UsageError):
    """A stub or a scripted answer was never used; the message says what exists instead.

    In a ``DurableTestCase`` the test fails with that message.
    """


class CallbackCompletedError(UsageError):
    """A callback was answered that is completed, timed out or unknown; its first answer stands (R11.5)."""


class CallbackNotReadyError(UsageError):
    """A callback was answered before it existed; wait for ``WaitingStatus.SUBMITTED`` first."""


class ExecutionNotCompletedError(UsageError):
    """The result of an execution was read while it was still running."""


class RunnerClosedError(UsageError):
    """A runner was used after it was closed, or an execution, a handle or a wait from before its ``reset``."""


class EnvironmentAlreadySetUpError(UsageError):
    """``setup_test_environment`` was called twice without ``teardown_test_environment`` in between."""


class EnvironmentNotSetUpError(UsageError):
    """``teardown_test_environment`` was called without ``setup_test_environment``."""


class ForeignClockError(UsageError):
    """Another tool (freezegun, time-machine) holds the clock that durabletest has to move."""


class ClockWarning(DurableTestError, UserWarning):  # noqa: N818 - it is a warning, unless they are made errors
    """A module holds references to the real clock that frozen time does not reach; warned of once for each module."""


class NotAvailableError(UsageError):
    """The feature does not exist in this mode; virtual time, stubs and registered functions are local."""


class CloudSetupError(UsageError):
    """The function cannot be run in the cloud with the present set-up; the message names what to set."""


class CloudCredentialsError(CloudSetupError):
    """There are no AWS credentials, or the service rejects them."""


class CloudRegionError(CloudSetupError):
    """No AWS region is set."""


class CloudPermissionError(CloudSetupError, PermissionError):
    """The credentials do not permit an action that is needed; the message names it."""


class CloudFunctionNotFoundError(CloudSetupError, LookupError):
    """The function, or its version or alias, does not exist in this account and region."""


class CloudFunctionNotDurableError(CloudSetupError):
    """The function exists, but is not a durable function."""


class CloudFunctionNotQualifiedError(CloudSetupError):
    """A durable function was named without its version or alias, which the service requires."""


class MissingSdkError(UsageError, ImportError):
    """The AWS Durable Execution SDK is not installed, or its version is not supported."""


# --- runs -------------------------------------------------------------------------------------------------------------


class ExecutionFailedError(DurableTestError):
    """The result was read of an execution that did not succeed.

    ``status`` is the execution's status (FAILED, TIMED_OUT, STOPPED); ``error_type``, ``error_message``, ``error_data``
    and ``stack_trace`` (a list of lines) are what the service recorded, None where it recorded nothing. If a local run
    has no recorded stack trace, it is that of the author's code from the log.
    """

    def __init__(
        self,
        message: str,
        *,
        status: str = "FAILED",
        error_type: str | None = None,
        error_message: str | None = None,
        error_data: str | None = None,
        stack_trace: list[str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.error_message = error_message
        self.error_data = error_data
        self.stack_trace = stack_trace


class OperationNotReachedError(DurableTestError):
    """The execution ended before the operation reached the awaited status (R15.4)."""


class ExecutionStuckError(DurableTestError):
    """The test waits, nothing runs, and no timer is left to fire; the message names the operations that are awaited."""


class EndlessExecutionError(DurableTestError):
    """Executions invoke others without end: a chain of more than 200, or more than 5,000 that came of one."""


class HandlerStuckError(DurableTestError):
    """A handler made no progress for the watchdog's time in real seconds; the message holds its threads' stacks."""


class HandlerStillRunsWarning(RuntimeWarning):
    """An abandoned handler goes on computing and cannot be ended; the message holds its threads' stacks."""


class WaitTimeoutError(DurableTestError, TimeoutError):
    """A wait timed out, in real time; the message says what was awaited."""


class CloudTimeoutError(WaitTimeoutError):
    """A run in the cloud took longer than its timeout, and was stopped."""


class CloudServiceError(DurableTestError):
    """The service, or the connection to it, failed after all retries; ``__cause__`` is the last failure."""


class CloudHistoryError(DurableTestError):
    """The service reports an end of the execution that its history does not record."""


class CheckpointServerError(DurableTestError):
    """The checkpoint server's thread is dead; ``__cause__`` is what ended it."""


class OrchestratorError(DurableTestError):
    """The orchestrator's thread is dead; ``__cause__`` is what ended it."""


def copy_of(error: ErrorT) -> ErrorT:
    """A copy without a traceback, as one instance that several threads raise would collect all their tracebacks.

    An exception that cannot be copied faithfully is returned itself, without its traceback.
    """
    for make in (copy.copy, _without_init):
        try:
            made = make(error)
        except Exception:  # its class does not support this kind of copy
            continue
        if made is not error and _is_same(made, error):
            made.__cause__, made.__context__ = error.__cause__, error.__context__
            made.__suppress_context__ = error.__suppress_context__
            if hasattr(error, "__notes__"):
                made.__notes__ = list(error.__notes__)
            return made
    return error.with_traceback(None)


def _without_init(error: ErrorT) -> ErrorT:
    """A copy made without the ``__init__`` of its class, which may take other arguments than ``args``."""
    cls = type(error)
    made: ErrorT = cls.__new__(cls, *error.args)
    builtin: Any = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    builtin.__init__(made, *error.args)
    vars(made).update(vars(error))
    return made


def _is_same(made: BaseException, error: BaseException) -> bool:
    """Whether type, arguments and attributes are the same; slots cannot be compared, so a class with slots is not."""
    if type(made) is not type(error) or any(vars(cls).get("__slots__") for cls in type(error).__mro__):
        return False
    ours, theirs = vars(made), vars(error)
    return (
        len(made.args) == len(error.args)
        and all(one is other for one, other in zip(made.args, error.args, strict=True))
        and ours.keys() == theirs.keys()
        and all(ours[name] is theirs[name] for name in ours)
    )
