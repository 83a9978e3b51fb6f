/** Every connection of the test file is treated as one to a Galera node. */
process.env.TEST_AS_ON_CLUSTER_NODE = '1';
