/* The rows behind services.h. */
#include "api/services.h"

#include "api/api.h"

const kt_rpc kt_engine_rpcs[KT_ENGINE_RPC_COUNT] = {
#define ROW(name, method, kind, request, response)                                                 \
	{"/engine_api.EngineService/" #method, KT_RPC_##kind, &request##__descriptor,              \
	 &response##__descriptor},
	KT_ENGINE_RPC_TABLE(ROW)
#undef ROW
};

const kt_rpc kt_apic_rpcs[KT_APIC_RPC_COUNT] = {
#define ROW(name, method, kind, request, response)                                                 \
	{"/api_container_api.ApiContainerService/" #method, KT_RPC_##kind,                         \
	 &request##__descriptor, &response##__descriptor},
	KT_APIC_RPC_TABLE(ROW)
#undef ROW
};
