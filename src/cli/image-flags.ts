import { z } from 'zod';
import type { ImageLimits } from '../server/prompt/formatter.ts';
import type { OptionRow } from './option-row.ts';

const domains = z
  .string()
  .transform((text) => text.split(',').map((domain) => domain.trim().toLowerCase()))
  .pipe(
    z.array(
      z
        .string()
        .regex(
          /^(?:\*\.)?[\w-]+(?:\.[\w-]+)*$/,
          'must be hosts like a.example.com or *.example.com',
        ),
    ),
  );

/** Where images may come from and how large they may be, as `thinkgate serve` takes it. */
export const imageFlagsShape = {
  maxImages: z.coerce.number().int().min(0).max(1024),
  maxImageMb: z.coerce.number().positive(),
  maxImageMegapixels: z.coerce.number().positive().max(1000),
  imageTimeout: z.coerce.number().positive().max(3600),
  autoDetailTiles: z.coerce.number().int().min(0).optional(),
  mediaDomains: domains.optional(),
  mediaFolder: z.string().min(1).optional(),
  allowPrivateImages: z.boolean(),
} as const;

export const IMAGE_FLAG_ROWS: readonly OptionRow[] = [
  {
    flags: '--max-images <count>',
    env: 'THINKGATE_MAX_IMAGES',
    description: 'images in one request',
    default: '16',
  },
  {
    flags: '--max-image-mb <size>',
    env: 'THINKGATE_MAX_IMAGE_MB',
    description: 'largest image as it arrives',
    default: '20',
  },
  {
    flags: '--max-image-megapixels <count>',
    env: 'THINKGATE_MAX_IMAGE_MEGAPIXELS',
    description: 'largest image unpacked, width times height',
    default: '50',
  },
  {
    flags: '--image-timeout <seconds>',
    env: 'THINKGATE_IMAGE_TIMEOUT',
    description: 'time one image may take to download, and to decode',
    default: '10',
  },
  {
    flags: '--auto-detail-tiles <count>',
    env: 'THINKGATE_AUTO_DETAIL_TILES',
    description:
      "tiles of images whose detail is auto, beside the whole (default: all of the model's grids)",
  },
  {
    flags: '--media-domains <list>',
    env: 'THINKGATE_MEDIA_DOMAINS',
    description: 'hosts image URLs may name, separated by commas (default: all public ones)',
  },
  {
    flags: '--media-folder <folder>',
    env: 'THINKGATE_MEDIA_FOLDER',
    description: 'folder that file:// image URLs may read (default: none)',
  },
  {
    flags: '--allow-private-images',
    description: 'let image URLs point into private networks',
    default: false,
  },
];

type ImageFlags = z.output<z.ZodObject<typeof imageFlagsShape>>;

export function toImageLimits(flags: ImageFlags): Partial<ImageLimits> {
  return {
    maxImages: flags.maxImages,
    maxBytes: Math.round(flags.maxImageMb * 1024 * 1024),
    maxPixels: Math.round(flags.maxImageMegapixels * 1_000_000),
    timeoutMs: Math.ceil(flags.imageTimeout * 1000),
    autoTiles: flags.autoDetailTiles ?? null,
    domains: flags.mediaDomains ?? null,
    folder: flags.mediaFolder ?? null,
    allowPrivateAddresses: flags.allowPrivateImages,
  };
}
