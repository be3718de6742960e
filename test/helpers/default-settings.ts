import { DEFAULT_HTTP_SETTINGS } from '../../src/server/settings/http-settings.ts';

/** What a server does whose operator set nothing, for tests that change one thing of it. */
export const { access: DEFAULT_ACCESS, thinking: DEFAULT_THINKING_POLICY } = DEFAULT_HTTP_SETTINGS;
