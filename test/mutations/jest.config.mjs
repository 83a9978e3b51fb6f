import { project } from '../../jest.config.mjs';

/** The unit specs of libs/fleet, without the database that the other tests share. */
export default { ...project, roots: ['<rootDir>/libs/fleet'], globalSetup: null, globalTeardown: null };
