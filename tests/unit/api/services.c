/* The tables name every rpc of the protocol once, with a path of its service. */
#include "api/services.h"

#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check_table(const kt_rpc *rpcs, size_t count, const char *prefix)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(strncmp(rpcs[i].path, prefix, strlen(prefix)), 0);
		assert_non_null(rpcs[i].request->name);
		assert_non_null(rpcs[i].response->name);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(rpcs[i].path, rpcs[k].path);
		}
	}
}

static void test_tables(void **state)
{
	(void)state;
	check_table(kt_engine_rpcs, KT_ENGINE_RPC_COUNT, "/engine_api.EngineService/");
	check_table(kt_apic_rpcs, KT_APIC_RPC_COUNT, "/api_container_api.ApiContainerService/");
}

/* The generated service descriptors come from the .proto files: same methods, same types. */
static void check_descriptor(const ProtobufCServiceDescriptor *service, const kt_rpc *rpcs,
			     size_t count)
{
	assert_int_equal(service->n_methods, count);
	for (unsigned i = 0; i < service->n_methods; i++) {
		const char *name = strrchr(rpcs[i].path, '/') + 1;
		assert_string_equal(service->methods[i].name, name);
		assert_ptr_equal(service->methods[i].input, rpcs[i].request);
		assert_ptr_equal(service->methods[i].output, rpcs[i].response);
	}
}

static void test_descriptors(void **state)
{
	(void)state;
	check_descriptor(&engine_api__engine_service__descriptor, kt_engine_rpcs,
			 KT_ENGINE_RPC_COUNT);
	check_descriptor(&api_container_api__api_container_service__descriptor, kt_apic_rpcs,
			 KT_APIC_RPC_COUNT);
}

static void test_optional_macros(void **state)
{
	(void)state;
	EngineApi__CleanArgs args = ENGINE_API__CLEAN_ARGS__INIT;
	assert_false(KT_OPT_HAS(&args, should_clean_all));
	assert_true(KT_OPT_OR(&args, should_clean_all, true));
	assert_int_equal(engine_api__clean_args__get_packed_size(&args), 0);
	KT_OPT_SET(EngineApi__CleanArgs, &args, should_clean_all, false);
	uint8_t bytes[8];
	/* Field 1, varint, present although it is false. */
	assert_int_equal(engine_api__clean_args__pack(&args, bytes), 2);
	assert_memory_equal(bytes, "\x08\x00", 2);
	assert_false(KT_OPT_OR(&args, should_clean_all, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_optional_macros),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
