// Runs the model beside the page: pixels in, labels out. `ort` is the library, which stands above.

let session;

onmessage = async ({ data }) => {
  try {
    if (data.binary) {
      ort.env.wasm.numThreads = 1; // more need headers that a file does not have
      ort.env.wasm.wasmBinary = data.binary;
      ort.env.logLevel = "error";
      session = await ort.InferenceSession.create(data.model, { executionProviders: ["wasm"] });
      postMessage({ id: data.id });
      return;
    }
    const image = new ort.Tensor("uint8", data.pixels, [1, data.height, data.width, 3]);
    const { labels } = await session.run({ image }, ["labels"]);
    postMessage({ id: data.id, labels: labels.data });
  } catch (error) {
    postMessage({ id: data.id, fault: String(error?.message ?? error) });
  }
};
