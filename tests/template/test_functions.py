"""The functions of a template: their settings, names and permissions, and what is not known before a deployment."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from durabletest import ConfigurationError
from durabletest.local.server import identifiers
from durabletest.template import intrinsics
from durabletest.template.documents import Document, documents_at
from durabletest.template.functions import Template, TemplateFunction
from tests.template.case import PROJECTS

SAM = "AWS::Serverless::Function"


def template(resources: dict[str, Any], **sections: Any) -> Template:
    return Template(Document(Path("/shop/template.yaml"), {"Resources": resources, **sections}))


def function(properties: dict[str, Any], **sections: Any) -> TemplateFunction:
    """The only function of a template of SAM."""
    return template({"Order": {"Type": SAM, "Properties": properties}}, **sections).functions[0]


def at(project: str) -> dict[str, TemplateFunction]:
    return {
        one.logical_id: one for document in documents_at(PROJECTS / project) for one in Template(document).functions
    }


def facts(one: TemplateFunction) -> tuple[Any, ...]:
    return one.name, one.handler, one.durable, one.timeout, one.memory_size, one.execution_timeout, one.aliases


class ShapeTests(unittest.TestCase):
    """Templates of the shapes of public examples."""

    def test_what_sam_init_makes(self) -> None:
        hello = at("hello")["HelloFunction"]
        self.assertEqual(facts(hello), ("HelloFunction", "app.lambda_handler", True, 900, 128, 900, ["Live"]))
        self.assertEqual(hello.code, PROJECTS / "hello" / "hello_world")
        self.assertEqual(hello.arn, "arn:aws:lambda:us-east-1:123456789012:function:HelloFunction")
        self.assertEqual(list(hello.template.outputs_of(hello)), [("HelloFunction", False)])

    def test_globals_are_merged(self) -> None:
        found = at("orders/template.yaml")
        self.assertEqual(
            {name: facts(one)[3:5] for name, one in found.items()},
            {
                "CheckoutFunction": (60, 256),
                "ChargeFunction": (60, 1024),
                "GeoFunction": (5, 256),
                "NotifyFunction": (60, 256),
                "RefundFunction": (60, 256),
            },
        )
        self.assertEqual(
            found["CheckoutFunction"].environment({}),
            {
                "STAGE": "dev",
                "LOG_LEVEL": "DEBUG",
                "CHARGE": "arn:aws:lambda:us-east-1:123456789012:function:dev-charge:$LATEST",
                "GEO": "GeoFunction",
                "TABLE": "OrdersTable",
            },
        )
        self.assertEqual(found["ChargeFunction"].name, "dev-charge")
        self.assertEqual(found["NotifyFunction"].runtime, "nodejs22.x")
        self.assertFalse(found["GeoFunction"].durable)

    def test_json_in_a_file_of_yaml(self) -> None:
        found = at("shapes/build.yaml")
        self.assertEqual([*found], ["Step", "Wait"])
        self.assertEqual(facts(found["Wait"])[1:6], ("wait.handler", True, 60, 128, 300))
        endpoint = {"AWS_ENDPOINT_URL_LAMBDA": "https://lambda.us-west-2.amazonaws.com"}
        self.assertEqual(found["Wait"].environment({}), endpoint)
        self.assertEqual(found["Wait"].targets(), {})

    def test_cloudformation_with_an_alias(self) -> None:
        greet = at("plain")["Greet"]
        self.assertEqual(facts(greet), ("greet-people", "greeting.handler", True, 3, 128, 3_600, ["prod"]))
        self.assertEqual(list(greet.template.outputs_of(greet)), [("FunctionArn", False), ("AliasArn", True)])

    def test_the_assembly_of_cdk(self) -> None:
        found = at("assembly")
        ship, pack = found["ShipB12F9C3E"], found["PackA75E0848"]
        self.assertEqual(facts(ship), ("ShipB12F9C3E", "shipping_handlers.ship", True, 30, 128, 3_600, ["live"]))
        self.assertEqual(ship.names, ("ShipB12F9C3E", "Shipping/Ship", "Ship"))
        self.assertEqual(ship.template.stack, "shipping-dev")
        self.assertEqual(ship.code, PROJECTS / "assembly" / "asset.42b9")
        self.assertEqual(list(ship.template.outputs_of(ship)), [("ShipFunctionArn", True)])
        self.assertEqual([*ship.targets()], ["PackA75E0848"])
        self.assertEqual(pack.targets(), {})
        self.assertEqual(ship.environment({}), {"PACK": pack.arn})


class ValueTests(unittest.TestCase):
    """Intrinsic functions in environment variables."""

    def value(self, node: Any, **sections: Any) -> str | None:
        return function({"Environment": {"Variables": {"X": node}}}, **sections).environment({}).get("X")

    def test_values_that_are_known(self) -> None:
        parameters = {
            "Stage": {"Type": "String", "Default": "dev"},
            "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
            "Count": {"Type": "Number", "Default": 3},
        }
        conditions = {
            "Live": {"Fn::Equals": [{"Ref": "Stage"}, "live"]},
            "Three": {"Fn::Equals": [{"Ref": "Count"}, "3"]},
            "Both": {"Fn::And": [{"Condition": "Live"}, {"Condition": "Three"}]},
            "Either": {"Fn::Or": [{"Condition": "Live"}, {"Condition": "Three"}]},
            "Not": {"Fn::Not": [{"Condition": "Live"}]},
        }
        mappings = {"Hosts": {"dev": {"name": "localhost"}}}
        for node, expected in (
            ("plain", "plain"),
            (7, "7"),
            (1.5, "1.5"),
            (True, "true"),
            ({"Ref": "Stage"}, "dev"),
            ({"Ref": "AWS::Region"}, "us-east-1"),
            ({"Ref": "AWS::StackName"}, "local"),
            ({"Ref": "Table"}, "Table"),
            ({"Fn::GetAtt": ["Table", "Arn"]}, "Table.Arn"),
            ({"Fn::GetAtt": "Table.StreamArn"}, "Table.StreamArn"),
            ({"Ref": "Order"}, "Order"),
            ({"Fn::GetAtt": ["Order", "Arn"]}, "arn:aws:lambda:us-east-1:123456789012:function:Order"),
            ({"Ref": "Order.Alias"}, "arn:aws:lambda:us-east-1:123456789012:function:Order:$LATEST"),
            ({"Fn::Sub": "${Stage}-${Table}-${Order.Arn}"}, "dev-Table-" + function({}).arn),
            ({"Fn::Sub": "${Order.Version}/${Table.Arn}"}, function({}).arn + ":$LATEST/Table.Arn"),
            ({"Fn::Sub": "${!Stage} ${ Stage }"}, "${Stage} dev"),
            ({"Fn::Sub": ["${A}/${Stage}", {"A": {"Ref": "Count"}}]}, "3/dev"),
            ({"Fn::Join": ["-", ["a", {"Ref": "Stage"}, 3]]}, "a-dev-3"),
            ({"Fn::Join": ["+", {"Ref": "Zones"}]}, "a+b"),
            ({"Fn::Select": ["1", {"Ref": "Zones"}]}, "b"),
            ({"Fn::Select": [0, {"Fn::Split": ["/", "x/y"]}]}, "x"),
            ({"Fn::Base64": "text"}, "dGV4dA=="),
            ({"Fn::ToJsonString": {"stage": {"Ref": "Stage"}}}, '{"stage": "dev"}'),
            ({"Fn::FindInMap": ["Hosts", {"Ref": "Stage"}, "name"]}, "localhost"),
            ({"Fn::If": ["Live", "a", "b"]}, "b"),
            ({"Fn::If": ["Three", "a", {"Ref": "Missing"}]}, "a"),
            ({"Fn::If": ["Both", "a", "b"]}, "b"),
            ({"Fn::If": ["Either", "a", "b"]}, "a"),
            ({"Fn::If": ["Not", "a", "b"]}, "a"),
            ({"Fn::If": ["Live", "a", {"Ref": "AWS::NoValue"}]}, None),
            ("{{resolve:ssm:/shop/key}}", "{{resolve:ssm:/shop/key}}"),
        ):
            with self.subTest(node):
                found = self.value(node, Parameters=parameters, Conditions=conditions, Mappings=mappings)
                self.assertEqual(found, expected)

    def test_values_that_are_not_known_before_the_deployment(self) -> None:
        parameters = {
            "Stage": {"Type": "String"},
            "Key": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/shop/key"},
        }
        for node, reason in (
            ({"Ref": "Stage"}, "the parameter 'Stage' has no default"),
            ({"Ref": "Key"}, "the parameter 'Key' is kept in the parameter store"),
            ({"Fn::ImportValue": "shared-table"}, "'shared-table' is exported by another stack"),
            ({"Fn::Cidr": ["10.0.0.0/16", 6, 5]}, "Fn::Cidr is evaluated by CloudFormation only"),
            ({"Fn::FindInMap": ["Hosts", "dev", "name"]}, "the mapping 'Hosts' has nothing for 'dev' and 'name'"),
            ({"Fn::If": ["Live", "a", "b"]}, "there is no condition 'Live'"),
            ({"Fn::Select": [1, {"Fn::Split": ["-", "x"]}]}, "Fn::Select finds no item 1 in ['x']"),
        ):
            with self.subTest(node):
                order = function({"Environment": {"Variables": {"X": node}}}, Parameters=parameters)
                with self.assertRaises(ConfigurationError) as caught:
                    order.environment({})
                self.assertEqual(
                    str(caught.exception),
                    f"the environment variable X of Order of template.yaml is not known before it is deployed, as "
                    f"{reason}: write environment = {{'X': '...'}} in the test class",
                )
                self.assertEqual(order.environment({"X": "given"}), {"X": "given"})

    def test_what_a_condition_chooses(self) -> None:
        live, other = {"ExecutionTimeout": 600, "RetentionPeriodInDays": 7}, {"ExecutionTimeout": 60}
        nothing = {"Ref": "AWS::NoValue"}
        policies = [{"Fn::If": ["Live", {"LambdaInvokePolicy": {"FunctionName": {"Ref": "Order"}}}, nothing]}]
        properties = {
            "DurableConfig": {"Fn::If": ["Live", live, {"Fn::If": ["Test", other, nothing]}]},
            "Environment": {"Fn::If": ["Live", {"Variables": {"TABLE": "orders"}}, nothing]},
            "Policies": policies,
        }
        parameters = {"Stage": {"Type": "String"}}
        conditions = {name: {"Fn::Equals": [{"Ref": "Stage"}, name.lower()]} for name in ("Live", "Test")}
        for stage, durable, timeout, days, environment in (
            ("live", True, 600, 7, {"TABLE": "orders"}),
            ("test", True, 60, 14, {}),
            ("dev", False, None, 14, {}),
        ):
            with self.subTest(stage):
                known = {"Stage": {**parameters["Stage"], "Default": stage}}
                order = function(properties, Parameters=known, Conditions=conditions)
                self.assertEqual(
                    (order.durable, order.execution_timeout, order.retention_days), (durable, timeout, days)
                )
                self.assertEqual(order.environment({}), environment)
                self.assertEqual(list(order.targets()), ["Order"] * (stage == "live"))
        order = function(properties, Parameters=parameters, Conditions=conditions)
        reason = "of Order of template.yaml (is|are) not known before it is deployed, as the parameter 'Stage' has no"
        with self.assertRaisesRegex(ConfigurationError, f"^ExecutionTimeout {reason}"):
            _ = order.execution_timeout
        with self.assertRaisesRegex(ConfigurationError, rf"^the environment variables {reason} .* environment = \{{"):
            order.environment({})
        self.assertEqual(order.environment({"TABLE": "given"}), {"TABLE": "given"})

    def test_loops_are_for_cloudformation(self) -> None:
        loop = ["Name", ["a", "b"], {"${Name}Topic": {"Type": "AWS::SNS::Topic"}}]
        order = {"Type": SAM, "Properties": {"DurableConfig": {}}}
        found = template({"Fn::ForEach::Topics": loop, "Order": order}, Outputs={"Fn::ForEach::Outputs": loop})
        self.assertEqual([one.logical_id for one in found.functions], ["Order"])
        self.assertEqual(list(found.outputs_of(found.functions[0])), [])

    def test_an_alias_whose_name_is_not_known(self) -> None:
        alias = {"FunctionName": {"Ref": "Order"}, "Name": {"Ref": "Stage"}}
        resources = {
            "Order": {"Type": "AWS::Lambda::Function", "Properties": {}},
            "Stage": {"Type": "AWS::Lambda::Alias", "Properties": {**alias, "Name": "live"}},
            "Alias": {"Type": "AWS::Lambda::Alias", "Properties": alias},
        }
        found = template(resources, Parameters={"Stage": {"Type": "String"}})
        self.assertEqual(found.functions[0].aliases, ["live"])

    def test_numbers(self) -> None:
        parameters = {"Seconds": {"Type": "Number", "Default": "30"}, "Megabytes": {"Type": "Number"}}
        order = function(
            {
                "Timeout": {"Ref": "Seconds"},
                "MemorySize": {"Ref": "Megabytes"},
                "DurableConfig": {"ExecutionTimeout": "x"},
            },
            Parameters=parameters,
        )
        self.assertEqual(order.timeout, 30)
        with self.assertRaisesRegex(
            ConfigurationError,
            "^MemorySize of Order of template.yaml is not known before it is deployed, as the parameter 'Megabytes' "
            r"has no default: write memory_size = \.\.\. in the test class$",
        ):
            _ = order.memory_size
        with self.assertRaisesRegex(ConfigurationError, "^ExecutionTimeout of .* is 'x', which is no number: write"):
            _ = order.execution_timeout

    def test_without_numbers_lambdas_own_defaults_hold(self) -> None:
        order = function({"DurableConfig": {"RetentionPeriodInDays": 1}})
        self.assertEqual((order.timeout, order.memory_size, order.execution_timeout), (3, 128, None))
        self.assertEqual((order.retention_days, function({"DurableConfig": {}}).retention_days), (1, 14))

    def test_the_arns_are_those_of_local_functions(self) -> None:
        self.assertEqual((intrinsics.REGION, intrinsics.ACCOUNT), (identifiers.REGION, identifiers.ACCOUNT))

    def test_a_name_that_is_not_known_is_the_logical_id(self) -> None:
        for name in ({"Ref": "Stage"}, {"Fn::Sub": "${AWS::StackName}/order"}, None):
            order = function({"FunctionName": name}, Parameters={"Stage": {"Type": "String"}})
            self.assertEqual(order.name, "Order")


class CodeTests(unittest.TestCase):
    def test_where_the_code_is(self) -> None:
        for properties, expected in (
            ({"CodeUri": "src/"}, Path("/shop/src")),
            ({"CodeUri": "/elsewhere"}, Path("/elsewhere")),
            ({"CodeUri": "s3://bucket/key"}, None),
            ({"CodeUri": {"Bucket": "b", "Key": "k"}}, None),
            ({"Code": {"ZipFile": "def handler(): ..."}}, None),
            ({"PackageType": "Image", "ImageUri": "image"}, None),
            ({}, None),
        ):
            self.assertEqual(function(properties).code, expected, properties)


class PermissionTests(unittest.TestCase):
    def may(self, properties: dict[str, Any] | None = None, order: Any = None, **resources: Any) -> bool:
        """Whether the function with those properties may invoke another one."""
        order = order or {"Type": SAM, "Properties": properties or {}}
        charge = {"Type": SAM, "Properties": {"FunctionName": "charge"}}
        first = template({"Order": order, "Charge": charge, **resources}).functions[0]
        return "Charge" in first.targets()

    def statement(self, resource: Any, action: Any = "lambda:InvokeFunction", effect: str = "Allow") -> dict[str, Any]:
        return {"Statement": [{"Effect": effect, "Action": action, "Resource": resource}]}

    def test_without_a_policy_it_may_invoke_nothing(self) -> None:
        self.assertFalse(self.may())
        self.assertFalse(
            self.may({"Policies": ["AWSLambdaBasicExecutionRole", {"DynamoDBReadPolicy": {"TableName": "T"}}]})
        )

    def test_policy_templates_of_sam(self) -> None:
        for name, expected in (("Charge", True), ("charge", True), ("Order", False)):
            node = name if name == "charge" else {"Ref": name}
            self.assertIs(self.may({"Policies": [{"LambdaInvokePolicy": {"FunctionName": node}}]}), expected, name)

    def test_policies_of_aws(self) -> None:
        for name, expected in (
            ("AWSLambda_FullAccess", True),
            ("arn:aws:iam::aws:policy/service-role/AWSLambdaRole", True),
            ({"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"}, True),
            ("arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess", False),
        ):
            self.assertIs(self.may({"Policies": name}), expected, name)
            self.assertIs(self.may({"Policies": [name]}), expected, name)

    def test_statements(self) -> None:
        arn = {"Fn::GetAtt": ["Charge", "Arn"]}
        for policy, expected in (
            (self.statement(arn), True),
            (self.statement([{"Fn::Sub": "${Charge.Arn}:*"}]), True),
            (self.statement({"Fn::Sub": "${Charge.Arn}:live"}), True),
            (self.statement("*"), True),
            (self.statement("arn:aws:lambda:*:*:function:ch*"), True),
            (self.statement({"Fn::Sub": "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:charge"}), True),
            (self.statement({"Fn::GetAtt": ["Order", "Arn"]}), False),
            (self.statement("arn:aws:lambda:*:*:function:charge-2"), False),
            (self.statement({"Fn::ImportValue": "charge"}), False),
            (self.statement(arn, ["s3:GetObject", "lambda:Invoke*"]), True),
            (self.statement(arn, "lambda:*"), True),
            (self.statement(arn, "LAMBDA:invokefunction"), True),
            (self.statement(arn, "lambda:GetFunction"), False),
            (self.statement(arn, effect="Deny"), False),
            ({"Statement": self.statement(arn)["Statement"][0]}, True),
        ):
            with self.subTest(policy):
                self.assertIs(self.may({"Policies": [policy]}), expected)

    def test_roles_of_the_template(self) -> None:
        invoke = self.statement({"Fn::GetAtt": ["Charge", "Arn"]})
        inline = {"Policies": [{"PolicyName": "P", "PolicyDocument": invoke}]}
        role = {"Role": {"Fn::GetAtt": ["Role", "Arn"]}}
        for properties, expected in (
            (inline, True),
            ({"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AWSLambda_FullAccess"]}, True),
            ({}, False),
        ):
            resource = {"Type": "AWS::IAM::Role", "Properties": properties}
            self.assertIs(self.may(role, Role=resource), expected, properties)
        attached = {"PolicyName": "P", "PolicyDocument": invoke, "Roles": [{"Ref": "Role"}]}
        bare = {"Type": "AWS::IAM::Role"}
        self.assertTrue(self.may(role, Role=bare, P={"Type": "AWS::IAM::Policy", "Properties": attached}))
        other = {**attached, "Roles": [{"Ref": "Other"}]}
        self.assertFalse(self.may(role, Role=bare, P={"Type": "AWS::IAM::Policy", "Properties": other}))
        by_name = {"PolicyDocument": invoke, "RoleName": {"Ref": "Role"}}
        self.assertTrue(self.may(role, Role=bare, P={"Type": "AWS::IAM::RolePolicy", "Properties": by_name}))

    def test_a_role_from_elsewhere_may_do_anything(self) -> None:
        self.assertTrue(self.may({"Role": "arn:aws:iam::123456789012:role/orders"}))
        self.assertTrue(self.may({"Role": {"Fn::ImportValue": "role"}}))

    def test_connectors(self) -> None:
        write = {"Properties": {"Destination": {"Id": "Charge"}, "Permissions": ["Write"]}}
        read = {"Properties": {"Destination": {"Id": "Charge"}, "Permissions": ["Read"]}}
        for connector, expected in ((write, True), (read, False)):
            self.assertIs(self.may(order={"Type": SAM, "Connectors": {"C": connector}}), expected)
            source = {
                "Type": "AWS::Serverless::Connector",
                "Properties": {"Source": {"Id": "Order"}, **connector["Properties"]},
            }
            self.assertIs(self.may(C=source), expected)
        foreign = {
            "Type": "AWS::Serverless::Connector",
            "Properties": {"Source": {"Id": "Charge"}, **write["Properties"]},
        }
        self.assertFalse(self.may(C=foreign))


class FileTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def refused(self, name: str, text: str | None = None) -> str:
        if text is not None:
            (self.folder / name).write_text(text, encoding="utf-8")
        with self.assertRaises(ConfigurationError) as caught:
            documents_at(self.folder / name)
        return str(caught.exception).replace(str(self.folder), "FOLDER")

    def test_files_that_are_no_templates(self) -> None:
        self.assertEqual(
            self.refused("none.yaml"), "the template FOLDER/none.yaml cannot be read: No such file or directory"
        )
        self.assertTrue(self.refused("a.json", "{").startswith("FOLDER/a.json is no JSON: Expecting property name"))
        self.assertTrue(self.refused("a.yaml", "a: [").startswith("FOLDER/a.yaml is no YAML: while parsing"))
        self.assertEqual(
            self.refused("b.yaml", "text"), "FOLDER/b.yaml is no template: it holds str, not Resources by their names"
        )
        self.assertEqual(
            self.refused("."),
            "the folder FOLDER has no template: neither the manifest.json of cdk synth, nor template.yaml or "
            "template.yml or template.json",
        )
        (self.folder / "manifest.json").write_text(json.dumps({"artifacts": {"Tree": {"type": "cdk:tree"}}}))
        self.assertEqual(self.refused("."), "FOLDER/manifest.json names no stack: run cdk synth")

    def test_a_file_is_read_again_when_it_has_changed(self) -> None:
        file = self.folder / "template.json"
        for number in (1, 22):
            file.write_text(json.dumps({"Resources": {"Order": {"Type": SAM, "Properties": {"Timeout": number}}}}))
            [document] = documents_at(self.folder)
            self.assertEqual(Template(document).functions[0].timeout, number)

    def test_short_forms_are_those_of_the_long_ones(self) -> None:
        (self.folder / "template.yml").write_text(
            "A: !Ref B\nC: !GetAtt D.E.F\nG: !GetAtt [D, E]\nH: !Join ['', [!Ref B, x]]\n"
            "I: !Sub ['${J}', {J: !Ref B}]\nK: !Condition L\nM: 2012-10-17\n"
        )
        [document] = documents_at(self.folder)
        self.assertEqual(
            document.body,
            {
                "A": {"Ref": "B"},
                "C": {"Fn::GetAtt": ["D", "E.F"]},
                "G": {"Fn::GetAtt": ["D", "E"]},
                "H": {"Fn::Join": ["", [{"Ref": "B"}, "x"]]},
                "I": {"Fn::Sub": ["${J}", {"J": {"Ref": "B"}}]},
                "K": {"Condition": "L"},
                "M": "2012-10-17",
            },
        )

    def test_without_pyyaml_json_is_read_all_the_same(self) -> None:
        with mock.patch.dict("sys.modules", yaml=None):
            self.assertIn("pip install 'durabletest[template]'", self.refused("new.yaml", "Resources: {}"))
            (self.folder / "new.json").write_text("{}")
            documents_at(self.folder / "new.json")


if __name__ == "__main__":
    unittest.main()
