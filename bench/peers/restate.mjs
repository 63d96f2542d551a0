// The worker of the Restate peer: one service whose handler makes three durable HTTP calls, one after the other.
// Arguments: the port to listen on, the port of the sink. The SDK is found from the folder that it was installed in.

import { createRequire } from "node:module";
import http from "node:http";
import http2 from "node:http2";

// The SDK is written for Node 22; this is what it uses of it.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((res, rej) => ([resolve, reject] = [res, rej]));
  return { promise, resolve, reject };
};

const [port, sink] = process.argv.slice(2).map(Number);
const restate = createRequire(`${process.cwd()}/`)("@restatedev/restate-sdk");
const agent = new http.Agent({ keepAlive: true, maxSockets: 512 });

function post(path, number) {
  const body = JSON.stringify({ number });
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port: sink, method: "POST", path, agent, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => (answer.statusCode === 200 ? resolve({}) : reject(new Error(`${answer.statusCode}`))));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const three = restate.service({
  name: "three",
  handlers: {
    run: async (ctx, { number }) => {
      await ctx.run("a", () => post("/a", number));
      await ctx.run("b", () => post("/b", number));
      await ctx.run("c", () => post("/c", number));
    },
  },
});

const handler = restate.createEndpointHandler({ services: [three] });
http2.createServer(handler).listen(port, "127.0.0.1");
