import { z } from 'zod';
import { inGroup, integer, list, positive, text, toggle } from '../option.ts';

const images = inGroup('Images');

const domain = z
  .string()
  .toLowerCase()
  .regex(/^(?:\*\.)?[\w-]+(?:\.[\w-]+)*$/, 'must be hosts like a.example.com or *.example.com');

/** Where images may come from, and how large they may be. */
export const IMAGE_OPTIONS = {
  maxImages: images({
    flags: '--max-images <count>',
    schema: integer(0, 1024),
    default: 16,
    help: 'Most images in one request.',
  }),
  maxImageMb: images({
    flags: '--max-image-mb <size>',
    schema: positive(),
    default: 20,
    help: 'Largest encoded image in MiB.',
  }),
  maxImageMegapixels: images({
    flags: '--max-image-megapixels <count>',
    schema: positive(1000),
    default: 50,
    help: 'Largest decoded image, width times height, in megapixels.',
  }),
  imageTimeout: images({
    flags: '--image-timeout <seconds>',
    schema: positive(3600),
    default: 10,
    help: 'Time limit for the download of an image, and again for its decoding.',
  }),
  autoDetailTiles: images({
    flags: '--auto-detail-tiles <count>',
    schema: integer(0),
    default: null,
    defaultHelp: "all of the model's grids",
    help: 'Most tiles, beside the base tile, of an image with detail "auto".',
  }),
  allowedMediaDomains: images({
    flags: '--allowed-media-domains <list>',
    schema: list(domain),
    default: null,
    defaultHelp: 'all public ones',
    help: 'Hosts of image URLs, separated by commas.',
  }),
  allowedLocalMediaPath: images({
    flags: '--allowed-local-media-path <folder>',
    schema: text,
    default: null,
    defaultHelp: 'none',
    help: 'Folder that file:// image URLs may read.',
  }),
  allowPrivateImages: images({
    flags: '--allow-private-images',
    schema: toggle,
    default: false,
    help: 'Allow image URLs that lead to private addresses.',
  }),
} as const;
