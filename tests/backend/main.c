/* Runs the contract suite: backend_contract native|fake [CASE-PATTERN]. */
#include "world.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: backend_contract native|fake [CASE-PATTERN]\n");
		return 2;
	}
	int rc = world_open(&the_world, argv[1]);
	if (rc != 0) {
		(void)world_close(&the_world);
		return rc;
	}
	if (argc > 2) {
		cmocka_set_test_filter(argv[2]);
	}
	rc = _cmocka_run_group_tests("contract", common_cases, common_cases_len, NULL, NULL);
	if (the_world.native) {
		rc += _cmocka_run_group_tests("native", native_cases, native_cases_len,
					      NULL, NULL);
		rc += _cmocka_run_group_tests("outbound", outbound_cases, outbound_cases_len, NULL,
					      NULL);
	}
	if (world_close(&the_world) < 0) {
		rc++;
	}
	return rc != 0 ? 1 : 0;
}
