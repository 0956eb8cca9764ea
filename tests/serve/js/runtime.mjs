// The least that is a runtime: node runtime.mjs FILE.mjs. AWS's own is aws-lambda-ric.
import { pathToFileURL } from "node:url";

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;
const post = (path, body) => fetch(`${api}/${path}`, { method: "POST", body: JSON.stringify(body) });
const report = (error) => ({
  errorType: error.name,
  errorMessage: error.message,
  stackTrace: (error.stack ?? "").split("\n"),
});

let handler;
try {
  ({ handler } = await import(pathToFileURL(process.argv[2])));
} catch (error) {
  await post("init/error", report(error));
  process.exit(1);
}
for (;;) {
  const invocation = await fetch(`${api}/invocation/next`);
  if (!invocation.ok) process.exit(1);
  const id = invocation.headers.get("lambda-runtime-aws-request-id");
  const context = {
    awsRequestId: id,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    invokedFunctionArn: invocation.headers.get("lambda-runtime-invoked-function-arn"),
    getRemainingTimeInMillis: () => Number(invocation.headers.get("lambda-runtime-deadline-ms")) - Date.now(),
  };
  try {
    await post(`invocation/${id}/response`, await handler(await invocation.json(), context));
  } catch (error) {
    await post(`invocation/${id}/error`, report(error));
  }
}
