/** Every connection of the test file counts as a connection to a Galera node. */
process.env.TEST_AS_ON_CLUSTER_NODE = '1';
