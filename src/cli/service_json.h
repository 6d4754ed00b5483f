/* A service as JSON: what `service inspect -o json` prints and `--json-service-config` reads. */
#ifndef KT_CLI_SERVICE_JSON_H
#define KT_CLI_SERVICE_JSON_H

#include "base/json.h"
#include "cli/client.h"

/* The service's configuration: a new reference. */
json_t *kt_service_json(const kt_service_info *service);
/* Indented by two, with <, > and & of strings as escapes, as Go writes it. The caller frees. */
char *kt_go_json_text(const json_t *value);

#endif
