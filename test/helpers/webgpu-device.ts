/** Whether this machine has a device for ONNX Runtime's WebGPU provider, be it a GPU or a software Vulkan driver. */
import * as ort from 'onnxruntime-node';
import { GraphBuilder } from '../../src/converter/onnx/graph-builder.ts';

/** @returns false where there is such a device, else the reason to skip a test; for `it`'s option `skip` */
export async function webgpuLacks(type: 'float32' | 'float16'): Promise<string | false> {
  const graph = new GraphBuilder('probe');
  const input = graph.input('x', type, [2]);
  graph.identity(graph.op('/probe', 'Add', [input, input]), 'y');
  graph.output('y', type, [2]);
  const two = type === 'float32' ? Float32Array.of(1, 2) : Uint16Array.of(0x3c00, 0x4000);
  try {
    const session = await ort.InferenceSession.create(graph.encode('test'), {
      executionProviders: ['webgpu'],
      logSeverityLevel: 4,
    });
    await session.run({ x: new ort.Tensor(type, two, [2]) });
    await session.release();
    return false;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const reason = message.split(' was false. ').at(-1)?.split('\n')[0];
    return `no Vulkan driver with ${type} shaders (VK_ICD_FILENAMES names one): ${reason}`;
  }
}
