"""Each rule of the linter: what it finds, and the nearest thing that it leaves alone."""

from __future__ import annotations

import unittest

from durabletest.lint.rules import RULES
from tests.lint.case import in_a_handler, rules_in

FOUND = {
    "clock": (
        "datetime.now(UTC)",
        "dt.datetime.utcnow()",
        "dt.date.today()",
        "moment.now()",
        "date.today()",
        "time.time()",
        "time.monotonic_ns()",
        "ticks()",
        "time.localtime()",
        "time.strftime('%H')",
    ),
    "random": (
        "random.random()",
        "dice.choice(event)",
        "random.Random()",
        "random.SystemRandom()",
        "secrets.token_hex()",
        "os.urandom(4)",
    ),
    "uuid": ("uuid.uuid4()", "new_id()", "uuid.uuid1()", "str(new_id().hex)"),
    "environment": (
        "os.environ['TABLE']",
        "os.environ.get('TABLE')",
        "environ['TABLE']",
        "'TABLE' in environ",
        "getenv('TABLE')",
        "os.getpid()",
        "socket.gethostname()",
        "platform.node()",
        "hash('a')",
        "id(event)",
    ),
    "network": (
        "requests.post('https://example.com')",
        "httpx.get('https://example.com').json()",
        "urlopen('https://example.com')",
        "requests.Session().get('https://example.com')",
        "boto3.client('s3').put_object(Bucket='b')",
        "boto3.resource('dynamodb').Table('t').put_item(Item={})",
        "boto3.Session().client('s3').list_buckets()",
        "socket.create_connection(('example.com', 80))",
    ),
    "files": (
        "open('rates.json')",
        "Path('rates.json').read_text()",
        "Path('rates').resolve().iterdir()",
        "os.listdir('.')",
        "glob.glob('*.json')",
        "subprocess.run(['ls'])",
    ),
}
ALLOWED = (
    "datetime(2026, 1, 1)",
    "datetime.fromtimestamp(event['at'], UTC)",
    "dt.timedelta(days=1)",
    "time.localtime(event['at'])",
    "time.strftime('%H', time.gmtime(0))",
    "random.Random(event['seed'])",
    "random.Random(event['seed']).random()",
    "uuid5(uuid.NAMESPACE_URL, 'a')",
    "uuid.UUID(event['id'])",
    "os.path.join('a', 'b')",
    "Path('a') / 'b'",
    "boto3.client('s3')",
    "boto3.resource('dynamodb').Table('t')",
    "boto3.client('s3').get_paginator('list_objects')",
    "httpx.Client()",
    "event.now()",
    "context.logger.info('began at %s', datetime.now())",
    "print(time.time())",
)


class SourceTests(unittest.TestCase):
    def test_each_source_is_found_under_its_rule(self) -> None:
        for rule, expressions in FOUND.items():
            for expression in expressions:
                with self.subTest(expression):
                    self.assertEqual(in_a_handler(f"value = {expression}"), [f"{rule}: value = {expression}"])

    def test_none_is_found_in_a_step(self) -> None:
        for expressions in FOUND.values():
            for expression in expressions:
                with self.subTest(expression):
                    self.assertEqual(in_a_handler(f"return context.step(lambda _: {expression}, name='a')"), [])

    def test_none_is_found_in_code_that_no_handler_runs(self) -> None:
        self.assertEqual(rules_in("began = time.time()\ndef main(event, context):\n    return uuid.uuid4()"), [])

    def test_what_is_the_same_in_each_replay_is_left_alone(self) -> None:
        for expression in ALLOWED:
            with self.subTest(expression):
                self.assertEqual(in_a_handler(expression), [])

    def test_a_name_stands_for_what_it_was_assigned(self) -> None:
        self.assertEqual(
            rules_in(
                """
                table = boto3.resource("dynamodb").Table("orders")
                clock = datetime.now
                @durable_execution
                def handler(event, context):
                    table.put_item(Item=event)
                    clock()
                    with httpx.Client() as client:
                        client.get("https://example.com")
                    context.step(lambda _: table.get_item(Key={}))
                    uuid = event
                    uuid.uuid4()
                """
            ),
            [
                "network: table.put_item(Item=event)",
                "clock: clock()",
                'network: client.get("https://example.com")',
            ],
        )

    def test_a_logged_value_that_is_used_too_is_found(self) -> None:
        self.assertEqual(in_a_handler("value = print(time.time())"), ["clock: value = print(time.time())"])


class WhereTests(unittest.TestCase):
    def test_a_handler_is_known_by_its_decorator_whatever_it_is_called(self) -> None:
        for decorator in ("@durable", "@durable_execution(plugins=[])", "@log\n@durable_execution"):
            with self.subTest(decorator):
                self.assertEqual(
                    rules_in(f"log = print\n{decorator}\ndef handler(event, ctx):\n    return uuid.uuid4()"),
                    ["uuid: return uuid.uuid4()"],
                )
        self.assertEqual(
            rules_in("def main(event, ctx):\n    return uuid.uuid4()\nhandler = durable_execution(main)"),
            ["uuid: return uuid.uuid4()"],
        )

    def test_helpers_that_a_handler_calls_replay_with_it(self) -> None:
        found = rules_in(
            """
            def stamp():
                return time.time()
            def reference(context):
                context.step(lambda _: uuid.uuid4())
                return deeper()
            def deeper():
                return uuid.uuid4()
            def unused():
                return uuid.uuid4()
            @durable_execution
            def handler(event, context):
                def inside():
                    return random.random()
                stamp(), reference(context), sorted(event, key=lambda one: random.random())
                return inside()
            """
        )
        self.assertEqual(
            found,
            [
                "clock: return time.time()",
                "uuid: return uuid.uuid4()",
                "random: return random.random()",
                "random: stamp(), reference(context), sorted(event, key=lambda one: random.random())",
            ],
        )

    def test_children_and_branches_replay_too(self) -> None:
        found = rules_in(
            """
            @durable_with_child_context
            def child(inner, key): return random.random()
            @durable_parallel_branch(name="named")
            def named(inner): return random.random() + 1
            def helper(inner: DurableContext): return random.random() + 2
            @durable_execution
            def handler(event, context):
                def branch(inner): return random.random() + 3
                def item(inner, one, index, items): return random.random() + 4
                branches = [ParallelBranch(branch, name="one"), lambda inner: random.random() + 5]
                branches.append(functools.partial(helper))
                context.parallel(branches)
                context.map([1, 2], item, name="all")
                context.map(func=lambda inner, *_: random.random() + 6, inputs=[])
                context.run_in_child_context(lambda inner: inner.step(lambda _: random.random()))
            """
        )
        self.assertEqual(len([one for one in found if one.startswith("random")]), 7, found)
        self.assertEqual(len(found), 7)

    def test_functions_of_steps_do_not(self) -> None:
        self.assertEqual(
            rules_in(
                """
                @durable_step
                def charge(step, amount): return random.random()
                @durable_wait_for_callback
                def submit(callback_id, context): requests.post("https://example.com")
                def make_step(value):
                    return lambda _: random.random()
                def plain(step): return random.random()
                @durable_execution
                def handler(event, context):
                    def check(state, step): return time.time()
                    context.step(charge(1)), context.step(make_step(1)), context.step(plain, name="a")
                    context.step(functools.partial(plain)), context.step(func=plain)
                    context.wait_for_callback(submit()), context.wait_for_callback(submitter=plain)
                    context.wait_for_condition(check, config=StepConfig(retry_strategy=lambda *_: random.random()))
                """
            ),
            [],
        )

    def test_names_and_functions_that_refer_to_each_other_come_to_an_end(self) -> None:
        self.assertEqual(
            rules_in(
                """
                def ping(context: DurableContext, one):
                    other = one
                    one = other
                    one.step(lambda _: 1), one()
                    return pong(context, one)
                def pong(context, one):
                    try:
                        ping(context, uuid.uuid4())
                    except:
                        return one
                """
            ),
            ["swallowed-suspension: except:", "uuid: ping(context, uuid.uuid4())"][::-1],
        )

    def test_a_context_may_have_another_name_or_be_an_attribute(self) -> None:
        self.assertEqual(
            rules_in(
                """
                class Orders:
                    async def run(self, context: DurableContext):
                        again = context
                        inner = self.context
                        again.step(lambda _: random.random()), inner.step(lambda _: uuid.uuid4())
                        async with aiohttp.ClientSession() as session:
                            answer = await session.get("https://example.com")
                        return (await boto3).client("s3").list_buckets()
                import aiohttp
                """
            ),
            [
                'network: answer = await session.get("https://example.com")',
                'network: return (await boto3).client("s3").list_buckets()',
            ],
        )

    def test_methods_are_followed_too(self) -> None:
        self.assertEqual(
            rules_in(
                """
                class Orders:
                    def run(self, context: DurableContext):
                        context.step(self.charge)
                        return self.reference()
                    def charge(self, step): return uuid.uuid4()
                    def reference(self): return str(uuid.uuid4())
                """
            ),
            ["uuid: def reference(self): return str(uuid.uuid4())"],
        )


class OrderTests(unittest.TestCase):
    def test_operations_in_the_order_of_a_set(self) -> None:
        loops = (
            "for one in set(event):\n    context.step(lambda _: 1, name=one)",
            "for one in {*event}:\n    helper(context, one)",
            "names = frozenset(event)\nfor number, one in enumerate(names):\n    context.wait(1)",
            "context.map({one for one in event}, item)",
            "context.parallel(functions=list(set(event) - {'a'}))",
            "[context.step(lambda _: 1) for one in set(event)]",
        )
        for loop in loops:
            with self.subTest(loop):
                self.assertEqual([one.split(":")[0] for one in in_a_handler(loop)], ["unordered"])

    def test_another_order_is_left_alone(self) -> None:
        loops = (
            "for one in sorted(set(event)):\n    context.step(lambda _: 1, name=one)",
            "for one in event:\n    context.step(lambda _: 1, name=f'pack {one}')",
            "for one in {1, 2, 3}:\n    context.step(lambda _: 1, name=f'pack {one}')",
            "for one in set(event):\n    len(one)",
            "names = set(event) if event else []\nfor one in names:\n    context.step(lambda _: 1)",
            "count = 0\nwhile count < 5:\n    count += 1\n    context.step(lambda _: 1, name=f'poll_{count}')",
            "context.step(lambda _: [one for one in set(event)])",
        )
        for loop in loops:
            with self.subTest(loop):
                self.assertEqual(in_a_handler(loop), [])

    def test_branches_that_see_the_last_value_of_a_loop(self) -> None:
        loops = (
            "context.parallel([lambda inner: inner.step(lambda _: one, name=one) for one in event])",
            "branches = []\nfor one in event:\n    def branch(inner):\n        return inner.wait(1, name=one)\n"
            "    branches.append(branch)\ncontext.parallel(branches)",
            "branches = [ParallelBranch(lambda inner: one, name=one) for one in event]\ncontext.parallel(branches)",
        )
        for loop in loops:
            with self.subTest(loop):
                self.assertEqual([one.split(":")[0] for one in in_a_handler(loop)], ["late-binding"])

    def test_branches_that_bind_it_or_run_in_it_are_left_alone(self) -> None:
        loops = (
            "context.parallel([lambda inner, one=one: inner.wait(1, name=one) for one in event])",
            "def make(a):\n    return lambda inner: inner.wait(1, name=a)\ncontext.parallel([make(a) for a in event])",
            "for one in event:\n    context.parallel([lambda inner: inner.wait(1, name=one)])",
            "for one in event:\n    context.step(lambda _: one, name=one)",
            "[context.run_in_child_context(lambda inner: inner.wait(1, name=one)) for one in event]",
        )
        for loop in loops:
            with self.subTest(loop):
                self.assertEqual(in_a_handler(loop), [])


class StateTests(unittest.TestCase):
    def test_a_variable_that_a_step_or_branch_changes(self) -> None:
        bodies = (
            "done = []\ncontext.step(lambda _: done.append(1))\nreturn len(done)",
            "done = dict()\ndef pack(step):\n    done['a'] = 1\ncontext.step(pack)\nreturn done",
            "total = 0\ndef add(step):\n    nonlocal total\n    total += 1\ncontext.step(add)\nreturn total",
            "context.step(lambda _: event['items'].append(1))\ncontext.step(lambda _: event)",
            "done = set()\ncontext.map([1], lambda inner, *_: done.add(1))\nreturn done",
            "done = []\ndef note():\n    done.append(1)\ncontext.step(lambda _: note())\nreturn done",
            "number = itertools.count()\ncontext.step(lambda _: next(number))\nreturn next(number)",
        )
        for body in bodies:
            with self.subTest(body):
                self.assertEqual([one.split(":")[0] for one in in_a_handler(body)], ["mutated-closure"])

    def test_changes_that_do_not_outlive_it_are_left_alone(self) -> None:
        bodies = (
            "done = []\ndone.append(context.step(lambda _: 1))\nreturn done",
            "def pack(step):\n    done = []\n    done.append(1)\n    return done\nreturn context.step(pack)",
            "def child(inner):\n    done = []\n    done.append(inner.step(lambda _: 1))\n    return done\n"
            "return context.run_in_child_context(child)",
            "scratch = []\ncontext.step(lambda _: scratch.append(1))",
            "session = connect()\ncontext.step(lambda _: session.add(event))\nsession.close()",
            "return context.step(lambda _: [].append(1))",
            "def pack(step):\n    step.logger.extra['a'] = make()['b'] = 1\ncontext.step(pack)",
            "def pack(step):\n    context.note = 1\n    os.note = 1\ncontext.step(pack)\nreturn context, os",
        )
        for body in bodies:
            with self.subTest(body):
                self.assertEqual(in_a_handler(body), [])

    def test_the_object_of_a_method_is_left_alone(self) -> None:
        source = "class Orders:\n    def run(self, context: DurableContext):\n        def pack(step):\n"
        self.assertEqual(
            rules_in(f"{source}            self.done = 1\n        context.step(pack)\n        self.end()"), []
        )

    def test_a_child_changes_what_a_step_in_it_reads(self) -> None:
        body = "def child(inner):\n    done = []\n    inner.step(lambda _: done.append(1))\n    return done\n"
        found = in_a_handler(f"{body}return context.run_in_child_context(child)")
        self.assertEqual(found, ["mutated-closure: inner.step(lambda _: done.append(1))"])

    def test_state_of_the_module_that_replaying_code_changes(self) -> None:
        module = (
            "seen = {}\nnumber = 0\ncounter = itertools.count(1)\n@durable_execution\ndef handler(event, context):\n"
        )
        bodies = (
            "    seen[event] = True",
            "    seen.update(event)",
            "    global number\n    number += 1",
            "    context.step(lambda _: 1, name=f'number {next(counter)}')",
            "    if 'rate' not in seen:\n        seen['rate'] = context.step(lambda _: 1)",
        )
        for body in bodies:
            with self.subTest(body):
                self.assertEqual([one.split(":")[0] for one in rules_in(module + body)], ["module-state"])

    def test_what_is_only_remembered_or_changed_in_a_step_is_left_alone(self) -> None:
        module = "seen = {}\nclient = None\n@durable_execution\ndef handler(event, context):\n"
        bodies = (
            "    global client\n    if client is None:\n        client = boto3.client('s3')",
            "    if event not in seen:\n        seen[event] = len(event)",
            "    context.step(lambda _: seen.update(event))",
            "    seen = {}\n    seen[event] = True",
            "    return seen.get(event)",
        )
        for body in bodies:
            with self.subTest(body):
                self.assertEqual(rules_in(module + body), [])


class ExceptionTests(unittest.TestCase):
    def test_the_suspension_is_caught_around_operations(self) -> None:
        bodies = (
            "try:\n    context.wait(1)\nexcept:\n    return 1",
            "try:\n    context.wait(1)\nexcept BaseException as error:\n    return 1",
            "try:\n    context.wait(1)\nexcept (ValueError, BaseException):\n    pass",
            "try:\n    helper(context)\nexcept:\n    return 1",
            "def charge():\n    return context.step(lambda _: 1)\ntry:\n    charge()\nexcept:\n    return 1",
            "try:\n    context.wait(1)\nfinally:\n    return 1",
            "callback = context.create_callback()\ntry:\n    return callback.result()\nexcept:\n    return 1",
            "with contextlib.suppress(BaseException):\n    context.wait(1)",
        )
        for body in bodies:
            with self.subTest(body):
                self.assertEqual([one.split(":")[0] for one in in_a_handler(body)], ["swallowed-suspension"])

    def test_exceptions_that_do_not_hold_it_are_left_alone(self) -> None:
        bodies = (
            "try:\n    context.wait(1)\nexcept Exception as error:\n    return str(error)",
            "try:\n    context.step(lambda _: 1)\nexcept StepError:\n    return 1",
            "try:\n    context.wait(1)\nexcept:\n    release()\n    raise",
            "try:\n    context.wait(1)\nexcept SuspendExecution:\n    raise\nexcept BaseException:\n    return 1",
            "try:\n    int('a')\nexcept:\n    context.wait(1)",
            "try:\n    context.wait(1)\nfinally:\n    release()",
            "try:\n    context.wait(1)\nfinally:\n    def later():\n        return 1",
            "def note():\n    return 1\ntry:\n    note()\n    note()\nexcept:\n    return 1",
            "future = pool.submit(len, event)\ntry:\n    return future.result()\nexcept:\n    return 1",
            "with contextlib.suppress(StepError):\n    context.wait(1)",
            "context.step(lambda _: quiet())\ndef quiet():\n    try:\n        wait()\n    except:\n        return 1",
        )
        for body in bodies:
            with self.subTest(body):
                self.assertEqual(in_a_handler(body), [])

    def test_an_interrupted_step_is_taken_for_a_failed_one(self) -> None:
        module = """
            ONCE = StepConfig(step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
            OFTEN = StepConfig(step_semantics=StepSemantics.AT_LEAST_ONCE_PER_RETRY)
            @durable_execution
            def handler(event, context):
                try:
                    return context.step(lambda _: 1, name="charge", config={config})
                except {caught}:
                    return {answer}
            """
        for caught in ("Exception", "StepError as error"):
            found = rules_in(module.format(config="ONCE", caught=caught, answer="'refused'"))
            self.assertEqual(found, [f"swallowed-interruption: except {caught}:"])
        self.assertEqual(rules_in(module.format(config="OFTEN", caught="Exception", answer="'refused'")), [])
        self.assertEqual(rules_in(module.format(config="ONCE", caught="ValueError", answer="'refused'")), [])
        looking = module.format(config="ONCE", caught="StepError as error", answer="error.error_type")
        self.assertEqual(rules_in(looking), [])

    def test_the_result_of_a_callback_in_a_step(self) -> None:
        body = "callback = context.create_callback()\nreturn context.step(lambda _: callback.result())"
        self.assertEqual(in_a_handler(body), ["nested-operation: return context.step(lambda _: callback.result())"])

    def test_an_operation_in_a_step(self) -> None:
        self.assertEqual(
            in_a_handler("def pack(step):\n    context.wait(1)\n    step.wait(1)\ncontext.step(pack)\npack.wait(1)"),
            ["nested-operation: context.wait(1)"],
        )


class TableTests(unittest.TestCase):
    def test_every_rule_has_a_name_and_says_what_it_finds(self) -> None:
        self.assertLessEqual(set(FOUND), set(RULES))
        self.assertTrue(all(RULES.values()))


if __name__ == "__main__":
    unittest.main()
