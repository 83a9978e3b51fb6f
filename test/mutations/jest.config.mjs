import { project } from '../../jest.config.mjs';

/** The unit specs of libs/fleet, without the database that the other tests share. */
const { globalSetup: _setUp, globalTeardown: _tearDown, ...unit } = project;

export default { ...unit, roots: ['<rootDir>/libs/fleet'] };
