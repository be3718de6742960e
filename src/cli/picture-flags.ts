import { z } from 'zod';
import type { ImageLimits } from '../chat/formatter.ts';
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

/** Where pictures may come from and how large they may be, as `thinkgate serve` takes it. */
export const pictureFlagsShape = {
  maxImages: z.coerce.number().int().min(0).max(1024),
  maxImageMb: z.coerce.number().positive(),
  maxImageMegapixels: z.coerce.number().positive().max(1000),
  imageTimeout: z.coerce.number().positive().max(3600),
  autoDetailTiles: z.coerce.number().int().min(0).optional(),
  mediaDomains: domains.optional(),
  mediaFolder: z.string().min(1).optional(),
  allowPrivateImages: z.boolean(),
} as const;

export const PICTURE_FLAG_ROWS: readonly OptionRow[] = [
  {
    flags: '--max-images <count>',
    env: 'THINKGATE_MAX_IMAGES',
    description: 'pictures in one request',
    default: '16',
  },
  {
    flags: '--max-image-mb <size>',
    env: 'THINKGATE_MAX_IMAGE_MB',
    description: 'largest picture as it arrives',
    default: '20',
  },
  {
    flags: '--max-image-megapixels <count>',
    env: 'THINKGATE_MAX_IMAGE_MEGAPIXELS',
    description: 'largest picture unpacked, width times height',
    default: '50',
  },
  {
    flags: '--image-timeout <seconds>',
    env: 'THINKGATE_IMAGE_TIMEOUT',
    description: 'time one picture may take to download, and to decode',
    default: '10',
  },
  {
    flags: '--auto-detail-tiles <count>',
    env: 'THINKGATE_AUTO_DETAIL_TILES',
    description:
      "tiles of pictures whose detail is auto, beside the whole (default: all of the model's grids)",
  },
  {
    flags: '--media-domains <list>',
    env: 'THINKGATE_MEDIA_DOMAINS',
    description: 'hosts picture URLs may name, separated by commas (default: all public ones)',
  },
  {
    flags: '--media-folder <folder>',
    env: 'THINKGATE_MEDIA_FOLDER',
    description: 'folder that file:// picture URLs may read (default: none)',
  },
  {
    flags: '--allow-private-images',
    description: 'let picture URLs point into private networks',
    default: false,
  },
];

type PictureFlags = z.output<z.ZodObject<typeof pictureFlagsShape>>;

export function toImageLimits(flags: PictureFlags): Partial<ImageLimits> {
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
