"""durabletest: unittest-compatible tests, with fluent assertions, for AWS Lambda durable functions.

Public names are imported when they are first used: ``import durabletest`` alone loads neither boto3 nor the AWS SDK.
PYTEST_DONT_REWRITE: pytest would warn of a package with a plugin that was imported before pytest was started.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from durabletest.errors import (
    AmbiguousOperationError,
    CallbackCompletedError,
    CallbackNotReadyError,
    CheckpointServerError,
    ClockWarning,
    CloudCredentialsError,
    CloudFunctionNotDurableError,
    CloudFunctionNotFoundError,
    CloudFunctionNotQualifiedError,
    CloudHistoryError,
    CloudPermissionError,
    CloudRegionError,
    CloudServiceError,
    CloudSetupError,
    CloudTimeoutError,
    ConfigurationError,
    DurableTestError,
    EndlessExecutionError,
    EnvironmentAlreadySetUpError,
    EnvironmentNotSetUpError,
    ExecutionFailedError,
    ExecutionNotCompletedError,
    ExecutionStuckError,
    ForeignClockError,
    FunctionNotRegisteredError,
    HandlerNotDurableError,
    HandlerStillRunsWarning,
    HandlerStuckError,
    MissingSdkError,
    NeverUsedError,
    NotAvailableError,
    OperationNotFoundError,
    OperationNotReachedError,
    OrchestratorError,
    PayloadError,
    RunnerClosedError,
    UsageError,
    WaitTimeoutError,
    WrongOperationTypeError,
)

if TYPE_CHECKING:
    from durabletest.assertions import (
        EachInvocation,
        EachOperation,
        ExecutionSubject,
        HistorySubject,
        InvocationsSubject,
        InvocationSubject,
        OperationsSubject,
        OperationSubject,
        SoftScope,
    )
    from durabletest.case import DurableTestCase
    from durabletest.checkpoint_stubs import CheckpointStub
    from durabletest.cloud.runner import CloudDurableTestRunner
    from durabletest.configuration import cloud_only, local_only
    from durabletest.durable_test import DurableTest
    from durabletest.execution_handle import Execution, Pending
    from durabletest.explored_case import explore
    from durabletest.local.runner import LocalDurableTestRunner
    from durabletest.model.metering import Cost, Prices
    from durabletest.model.operation import DurableOperation
    from durabletest.model.records import (
        CallbackDetails,
        ContextDetails,
        ErrorDetails,
        ExecutionStatus,
        Invocation,
        InvokeDetails,
        LogEntry,
        OperationStatus,
        OperationType,
        StepDetails,
        WaitDetails,
        WaitingStatus,
    )
    from durabletest.result import TestResult
    from durabletest.routes import Route, route
    from durabletest.scripts import CallbackScript, ScriptedCallback
    from durabletest.side_effects import EffectCall, SideEffect
    from durabletest.stubs import InvokeCall, InvokeStub, StepCall, StepStub

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022 - grouped by what they are for
    # tests
    "DurableTestCase",
    "DurableTest",
    "local_only",
    "cloud_only",
    "explore",
    # what assertions are about, for annotations
    "ExecutionSubject",
    "OperationSubject",
    "OperationsSubject",
    "EachOperation",
    "InvocationSubject",
    "InvocationsSubject",
    "EachInvocation",
    "HistorySubject",
    "SoftScope",
    # runners, and what they give
    "LocalDurableTestRunner",
    "CloudDurableTestRunner",
    "Execution",
    "Pending",
    "TestResult",
    "DurableOperation",
    "Invocation",
    "LogEntry",
    "Cost",
    "Prices",
    # facts about one operation
    "StepDetails",
    "WaitDetails",
    "CallbackDetails",
    "InvokeDetails",
    "ContextDetails",
    "ErrorDetails",
    # statuses and types
    "ExecutionStatus",
    "OperationStatus",
    "OperationType",
    "WaitingStatus",
    # the world outside
    "CallbackScript",
    "ScriptedCallback",
    "Route",
    "route",
    "StepStub",
    "StepCall",
    "InvokeStub",
    "InvokeCall",
    "CheckpointStub",
    "SideEffect",
    "EffectCall",
    # errors, of misuse
    "DurableTestError",
    "UsageError",
    "AmbiguousOperationError",
    "CallbackCompletedError",
    "CallbackNotReadyError",
    "CloudCredentialsError",
    "CloudFunctionNotDurableError",
    "CloudFunctionNotFoundError",
    "CloudFunctionNotQualifiedError",
    "CloudPermissionError",
    "CloudRegionError",
    "CloudSetupError",
    "ClockWarning",
    "ConfigurationError",
    "EnvironmentAlreadySetUpError",
    "EnvironmentNotSetUpError",
    "ExecutionNotCompletedError",
    "ForeignClockError",
    "FunctionNotRegisteredError",
    "HandlerNotDurableError",
    "MissingSdkError",
    "NeverUsedError",
    "NotAvailableError",
    "OperationNotFoundError",
    "PayloadError",
    "RunnerClosedError",
    "WrongOperationTypeError",
    # errors, of runs
    "CheckpointServerError",
    "CloudHistoryError",
    "CloudServiceError",
    "CloudTimeoutError",
    "ExecutionFailedError",
    "EndlessExecutionError",
    "ExecutionStuckError",
    "HandlerStillRunsWarning",
    "HandlerStuckError",
    "OperationNotReachedError",
    "OrchestratorError",
    "WaitTimeoutError",
    # the package
    "__version__",
]

_MODULES = {
    "durabletest.assertions": (
        "EachInvocation",
        "EachOperation",
        "ExecutionSubject",
        "HistorySubject",
        "InvocationsSubject",
        "InvocationSubject",
        "OperationsSubject",
        "OperationSubject",
        "SoftScope",
    ),
    "durabletest.case": ("DurableTestCase",),
    "durabletest.checkpoint_stubs": ("CheckpointStub",),
    "durabletest.cloud.runner": ("CloudDurableTestRunner",),
    "durabletest.configuration": ("cloud_only", "local_only"),
    "durabletest.durable_test": ("DurableTest",),
    "durabletest.execution_handle": ("Execution", "Pending"),
    "durabletest.explored_case": ("explore",),
    "durabletest.local.runner": ("LocalDurableTestRunner",),
    "durabletest.model.metering": ("Cost", "Prices"),
    "durabletest.model.operation": ("DurableOperation",),
    "durabletest.model.records": (
        "CallbackDetails",
        "ContextDetails",
        "ErrorDetails",
        "ExecutionStatus",
        "Invocation",
        "InvokeDetails",
        "LogEntry",
        "OperationStatus",
        "OperationType",
        "StepDetails",
        "WaitDetails",
        "WaitingStatus",
    ),
    "durabletest.result": ("TestResult",),
    "durabletest.routes": ("Route", "route"),
    "durabletest.scripts": ("CallbackScript", "ScriptedCallback"),
    "durabletest.side_effects": ("EffectCall", "SideEffect"),
    "durabletest.stubs": ("InvokeCall", "InvokeStub", "StepCall", "StepStub"),
}
"""The public names by the module that defines them, apart from the errors; type checkers read the imports above."""
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # type checkers would take every name to be there

    def __getattr__(name: str) -> Any:
        """Import a public name at its first use (PEP 562).

        There is no ``__dir__`` to match: freezegun and other tools look at all that it names, which would import it.
        """
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
        return value
