// A durable function of ten operations, of every kind that the SDK has. Its first process dies in the first of them.
import { existsSync, writeFileSync } from "node:fs";

import { withDurableExecution } from "@aws/durable-execution-sdk-js";

const pack = async (context, item) => {
  const parcel = await context.step("wrap", async () => `${item} in paper`);
  await context.wait("dry", { minutes: 5 });
  return parcel;
};

export const handler = withDurableExecution(async (order, context) => {
  const reservation = await context.step("reserve", async () => {
    if (!existsSync(order.memory)) {
      writeFileSync(order.memory, `${process.pid}`);
      process.exit(9);
    }
    return { order: order.order, warehouse: "north" };
  });
  const payment = await context.step(
    "charge",
    async (step) => {
      if (step.attempt < 2) throw new Error("the card's bank is busy");
      return "paid";
    },
    { retryStrategy: (_error, attempt) => ({ shouldRetry: attempt < 3, delay: { minutes: 1 } }) },
  );
  await context.wait("cool-down", { hours: 24 });
  const approval = await context.waitForCallback("approval", async () => {}, { timeout: { hours: 48 } });
  const notified = await context.parallel("notify", [
    { name: "mail", func: async (branch) => branch.step("send-mail", async () => "mail") },
    {
      name: "letter",
      func: async (branch) => {
        await branch.wait("post", { hours: 72 });
        return branch.step("send-letter", async () => "letter");
      },
    },
  ]);
  const parcels = await context.map("pack", order.items, pack);
  const invoice = await context.runInChildContext("invoice", async (child) => {
    const number = await child.step("number", async () => 7);
    await child.wait("print", { seconds: 30 });
    return `invoice ${number}`;
  });
  const country = await context.invoke("country", "geo-lookup", { ip: order.ip });
  const polls = await context.waitForCondition("delivered", async (count) => count + 1, {
    initialState: 0,
    waitStrategy: (count) => (count < 3 ? { shouldContinue: true, delay: { hours: 1 } } : { shouldContinue: false }),
  });
  return context.step("close", async () => ({
    reservation,
    payment,
    approval,
    notified: notified.getResults(),
    parcels: parcels.getResults(),
    invoice,
    country,
    polls,
    process: process.pid,
  }));
});
