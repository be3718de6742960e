import koffi, { type LibraryHandle } from 'koffi';

export interface VulkanDevice {
  readonly name: string;
  /** Whether the device is software that runs on the CPU. */
  readonly isSoftware: boolean;
}

/** Values and sizes in Vulkan 1.0's headers, on 64-bit systems. */
const SUCCESS = 0;
const STRUCTURE_TYPE_INSTANCE_CREATE_INFO = 1;
const INSTANCE_CREATE_INFO_BYTES = 64;
const PHYSICAL_DEVICE_PROPERTIES_BYTES = 824;
const DEVICE_TYPE_OFFSET = 16;
const DEVICE_NAME_OFFSET = 20;
const DEVICE_NAME_BYTES = 256;
const DEVICE_TYPE_CPU = 4;

/** Lists the devices of Linux's Vulkan drivers. The list is empty without the Vulkan loader or a driver. */
export function listVulkanDevices(): readonly VulkanDevice[] {
  try {
    return enumerate(koffi.load('libvulkan.so.1'));
  } catch {
    // The Vulkan loader is not installed.
    return [];
  }
}

function enumerate(library: LibraryHandle): readonly VulkanDevice[] {
  const createInstance = library.func('vkCreateInstance', 'int', ['void *', 'void *', 'void *']);
  const destroyInstance = library.func('vkDestroyInstance', 'void', ['void *', 'void *']);
  const enumerateDevices = library.func('vkEnumeratePhysicalDevices', 'int', [
    'void *',
    'void *',
    'void *',
  ]);
  const getProperties = library.func('vkGetPhysicalDeviceProperties', 'void', ['void *', 'void *']);
  const instance = new BigUint64Array(new ArrayBuffer(8));
  const createInfo = Buffer.alloc(INSTANCE_CREATE_INFO_BYTES);
  createInfo.writeInt32LE(STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  if (createInstance(createInfo, null, instance) !== SUCCESS) return [];
  try {
    const count = new Uint32Array(new ArrayBuffer(4));
    if (enumerateDevices(instance[0], count, null) !== SUCCESS) return [];
    const devices = new BigUint64Array(new ArrayBuffer(8 * count[0]!));
    if (enumerateDevices(instance[0], count, devices) !== SUCCESS) return [];
    return Array.from(devices, (device) => {
      const properties = Buffer.alloc(PHYSICAL_DEVICE_PROPERTIES_BYTES);
      getProperties(device, properties);
      return describe(properties);
    });
  } finally {
    destroyInstance(instance[0], null);
  }
}

function describe(properties: Buffer): VulkanDevice {
  const text = properties.subarray(DEVICE_NAME_OFFSET, DEVICE_NAME_OFFSET + DEVICE_NAME_BYTES);
  return {
    name: text.toString('utf8', 0, text.indexOf(0)),
    isSoftware: properties.readUInt32LE(DEVICE_TYPE_OFFSET) === DEVICE_TYPE_CPU,
  };
}
