"""durabletest: unittest-compatible tests, with fluent assertions, for AWS Lambda durable functions."""

from durabletest._version import __version__
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
from durabletest.cloud.runner import CloudDurableTestRunner
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
from durabletest.execution import Execution, Pending
from durabletest.exploring import explore
from durabletest.local.runner import LocalDurableTestRunner
from durabletest.model.enums import ExecutionStatus, OperationStatus, OperationType, WaitingStatus
from durabletest.model.operation import DurableOperation
from durabletest.model.records import (
    CallbackDetails,
    ContextDetails,
    ErrorDetails,
    Invocation,
    InvokeDetails,
    LogEntry,
    StepDetails,
    WaitDetails,
)
from durabletest.modes import cloud_only, local_only
from durabletest.result import TestResult
from durabletest.routing import Route, route
from durabletest.scripts import CallbackScript, ScriptedCallback
from durabletest.stubs.invokes import InvokeCall, InvokeStub
from durabletest.stubs.steps import StepCall, StepStub

__all__ = [  # noqa: RUF022 - grouped by what they are for
    # tests
    "DurableTestCase",
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
