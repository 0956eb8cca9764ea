"""Every exception that durabletest raises, under one root.

Three families, never mixed:

* :class:`UsageError`: the test or its configuration is wrong. The message names what was wrong and what to write
instead.
* The failure of a test is an ``AssertionError`` (``failureException`` of the test case), never one of these.
* Everything else says what became of a run: it failed, it is stuck, its server died.

Refusals of the Lambda API are not here: they are botocore's own modelled ``ClientError`` classes, as boto3 raises them.
"""

from __future__ import annotations

import copy
from typing import Self


class DurableTestError(Exception):
    """The root of every exception of durabletest."""

    def again(self) -> Self:
        """The same news for another thread, which raises it with a traceback of its own."""
        news = copy.copy(self)
        news.__cause__ = self.__cause__
        return news


# --- the tool was used wrongly ---------------------------------------------------------------------------------------


class UsageError(DurableTestError):
    """durabletest was used in a way that cannot work; the message says what to write instead."""


class ConfigurationError(UsageError):
    """A class attribute, argument or environment variable has a value that means nothing."""


class HandlerNotDurableError(UsageError):
    """The handler was called as Lambda calls it, and never entered the SDK's ``@durable_execution``."""


class PayloadError(UsageError, ValueError):
    """A value that must travel as JSON is not JSON; the message holds the path inside the value."""


class OperationNotFoundError(UsageError, LookupError):
    """No operation has that name, path, index or id; the message lists those that exist."""


class AmbiguousOperationError(UsageError, LookupError):
    """A path can be read in two ways; the message says how to write each."""


class WrongOperationTypeError(UsageError, TypeError):
    """Details or callback methods of one operation type were asked of an operation of another type."""


class FunctionNotRegisteredError(UsageError, LookupError):
    """A chained invoke names a function that the test did not register; the message lists those it did."""


class NeverUsedError(UsageError):
    """A stub, or an answer of a callback's script, was never used; the message says what exists instead.

    In a ``DurableTestCase`` the test fails with that message.
    """


class CallbackCompletedError(UsageError):
    """A callback was answered that is completed, timed out or unknown; the first answer stands (R11.5)."""


class CallbackNotReadyError(UsageError):
    """A callback was answered before it exists; wait for ``WaitingStatus.SUBMITTED`` first."""


class ExecutionNotCompletedError(UsageError):
    """The result of an execution was asked for while it is still running."""


class RunnerClosedError(UsageError):
    """A runner was used after its end, or an execution, a handle or a wait from before its ``reset``."""


class EnvironmentAlreadySetUpError(UsageError):
    """``setup_test_environment`` was called twice without ``teardown_test_environment`` in between."""


class EnvironmentNotSetUpError(UsageError):
    """``teardown_test_environment`` was called without ``setup_test_environment``."""


class ForeignClockError(UsageError):
    """Another tool (freezegun, time-machine) holds the clock that durabletest has to move."""


class ClockWarning(DurableTestError, UserWarning):  # noqa: N818 - it is a warning, unless they are made errors
    """A reference to the real clock that frozen time does not reach; a warning, told once for each module."""


class NotAvailableError(UsageError):
    """The feature does not exist in this mode (virtual time, stubs and registered functions are local)."""


class CloudSetupError(UsageError):
    """The cloud refuses to run the function as things are set up; the message names what to set."""


class CloudCredentialsError(CloudSetupError):
    """There are no AWS credentials, or the service does not take them."""


class CloudRegionError(CloudSetupError):
    """No AWS region is set."""


class CloudPermissionError(CloudSetupError, PermissionError):
    """The credentials do not permit an action that the run needs; the message names it."""


class CloudFunctionNotFoundError(CloudSetupError, LookupError):
    """The function, or the version or alias of it, does not exist in that account and region."""


class CloudFunctionNotDurableError(CloudSetupError):
    """The function exists, and is no durable function."""


class CloudFunctionNotQualifiedError(CloudSetupError):
    """A durable function was named without its version or alias, which the service demands."""


class MissingSdkError(UsageError, ImportError):
    """The AWS Durable Execution SDK is not installed, or its version is not supported."""


# --- what became of a run --------------------------------------------------------------------------------------------


class ExecutionFailedError(DurableTestError):
    """The result of an execution was asked for that did not succeed.

    ``status`` is the execution's status (FAILED, TIMED_OUT, STOPPED); ``error_type``, ``error_message``, ``error_data``
    and ``stack_trace`` (a list of lines) are what the service recorded, ``None`` where it recorded nothing. Where a
    local run has no recorded stack trace, it is that of the author's code, as it was logged.
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
    """The execution ended before the operation reached the state that was waited for (R15.4)."""


class ExecutionStuckError(DurableTestError):
    """Somebody waits, nothing runs, and no timer is left that could change that (DESIGN: time)."""


class EndlessExecutionError(DurableTestError):
    """An execution went on far beyond what the service allows; the message names what it has most of."""


class HandlerStuckError(DurableTestError):
    """A handler made no progress for the watchdog's number of real seconds; the message holds its threads' stacks."""


class HandlerStillRunsWarning(RuntimeWarning):
    """A handler that was given up goes on computing where it cannot be ended; the message holds its threads' stacks."""


class WaitTimeoutError(DurableTestError, TimeoutError):
    """A wait with a timeout in real seconds ran out; the message says what was awaited."""


class CloudTimeoutError(WaitTimeoutError):
    """A run in the cloud took longer than its timeout, and was stopped."""


class CloudServiceError(DurableTestError):
    """The service, or the way to it, kept failing after all retries; ``__cause__`` is the last failure."""


class CloudHistoryError(DurableTestError):
    """The service says that the execution has ended, in a way that its history does not tell."""


class CheckpointServerError(DurableTestError):
    """The checkpoint server's thread is dead; ``__cause__`` is what ended it."""


class OrchestratorError(DurableTestError):
    """The orchestrator's thread is dead; ``__cause__`` is what ended it."""
