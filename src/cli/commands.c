/*
 * The tree of all commands. A row without a function is a command that is known but not built
 * yet: it has its help and says so when it is called.
 */
#include "cli/command.h"
#include "cli/run_functions.h"

/* The tail of a row: flags, arguments and children with their counts. */
#define FLAGS(...)                                                                                 \
	.flags = (const kt_flag[]){__VA_ARGS__},                                                   \
	.flag_count = sizeof((const kt_flag[]){__VA_ARGS__}) / sizeof(kt_flag)
#define ARGS(...)                                                                                  \
	.args = (const kt_arg[]){__VA_ARGS__},                                                     \
	.arg_count = sizeof((const kt_arg[]){__VA_ARGS__}) / sizeof(kt_arg)
#define CHILDREN(rows) .children = (rows), .child_count = KT_ARRAY_LEN(rows)

#define GROUP(n, text) .name = (n), .kind = KT_COMMAND_GROUP, .brief = (text)
#define PLAIN(n, text) .name = (n), .kind = KT_COMMAND_PLAIN, .brief = (text)
#define LOCAL(n, text) .name = (n), .kind = KT_COMMAND_LOCAL, .brief = (text)
#define ENGINE(n, text) .name = (n), .kind = KT_COMMAND_ENGINE, .brief = (text)

#define BOOL(name, usage) {(name), 0, KT_FLAG_BOOL, "false", (usage)}
#define BOOL_L(name, letter, usage) {(name), (letter), KT_FLAG_BOOL, "false", (usage)}
#define BOOL_ON(name, usage) {(name), 0, KT_FLAG_BOOL, "true", (usage)}
#define STR(name, fallback, usage) {(name), 0, KT_FLAG_STRING, (fallback), (usage)}
#define STR_L(name, letter, fallback, usage) {(name), (letter), KT_FLAG_STRING, (fallback), (usage)}

/* In place of a function: why the command cannot be there. */
#define REFUSED(reason) .refusal = (reason)

#define ARG(key, kind) {(key), (kind), 0, ""}
#define ARG_OR(key, kind, fallback) {(key), (kind), KT_ARG_OPTIONAL, (fallback)}

#define FULL_UUIDS BOOL("full-uuids", "Print UUIDs in full instead of their first twelve digits")

static const kt_flag global_flags[] = {
	STR("cli-log-level", "info",
	    "Sets the level that the CLI will log at (panic|fatal|error|warning|info|debug|trace)"),
	BOOL("debug-mode",
	     "Ask for debug builds of the engine and of API containers; there are none here, so this "
	     "changes nothing"),
	BOOL_L("help", 'h', ""),
};

const kt_flag *kt_global_flags(size_t *ret_count)
{
	*ret_count = KT_ARRAY_LEN(global_flags);
	return global_flags;
}

static const kt_command cloud[] = {
	{LOCAL("load", "Load a Kurtosis Cloud instance"),
	 REFUSED("the Kurtosis cloud service has been retired, so there is no instance to load"),
	 ARGS(ARG_OR("instance-id", KT_ARG_TEXT, ""))},
};

static const kt_command cluster[] = {
	{LOCAL("get", "Get current cluster"), .run = kt_cmd_cluster_get},
	{LOCAL("ls", "List valid clusters"), .run = kt_cmd_cluster_ls},
	{LOCAL("set", "Sets cluster to use"), .run = kt_cmd_cluster_set,
	 ARGS(ARG("cluster-name", KT_ARG_CLUSTER))},
};

#define COMPLETION(shell, text)                                                                    \
	{PLAIN(shell, text), .run = kt_cli_completion,                                             \
	 FLAGS(BOOL("no-descriptions", "disable completion descriptions"))}

static const kt_command completion[] = {
	COMPLETION("bash", "Generate the autocompletion script for bash"),
	COMPLETION("fish", "Generate the autocompletion script for fish"),
	COMPLETION("powershell", "Generate the autocompletion script for powershell"),
	COMPLETION("zsh", "Generate the autocompletion script for zsh"),
};

static const kt_command config[] = {
	{LOCAL("init", "Creates a Kurtosis config file with the defaults"), .run = kt_cmd_config_init},
	{LOCAL("path", "Shows Kurtosis config file path"), .run = kt_cmd_config_path},
};

static const kt_command context[] = {
	{LOCAL("add", "Add a new Kurtosis context"), .run = kt_cmd_context_add,
	 ARGS(ARG("context-config", KT_ARG_PATH))},
	{LOCAL("ls", "Lists Kurtosis contexts"), .run = kt_cmd_context_ls, FLAGS(FULL_UUIDS)},
	{LOCAL("rm", "Removes a Kurtosis contexts"), .run = kt_cmd_context_rm,
	 ARGS({"context", KT_ARG_CONTEXT, KT_ARG_GREEDY, ""})},
	{LOCAL("set", "Sets the active Kurtosis context"), .run = kt_cmd_context_set,
	 ARGS(ARG("context", KT_ARG_CONTEXT))},
};

static const kt_command enclave[] = {
	{ENGINE("add", "Creates an enclave"), .run = kt_cmd_enclave_add,
	 FLAGS(STR_L("api-container-log-level", 'l', "debug",
		     "The level that the API container logs at "
		     "(panic|fatal|error|warning|info|debug|trace)"),
	       STR_L("api-container-version", 'a', "",
		     "The version of the API container; empty means the engine's own"),
	       STR_L("name", 'n', "", "The enclave's name; empty means a generated one"),
	       BOOL_L("production", 'p',
		      "Run the enclave in production mode: its services are restarted when they exit"))},
	{ENGINE("connect", "Connects enclave"), .run = kt_cmd_enclave_connect, ARGS(ARG("enclave", KT_ARG_ENCLAVE))},
	{ENGINE("dump", "Dumps information about an enclave to disk"), .run = kt_cmd_enclave_dump,
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE),
	      ARG_OR("output-dirpath", KT_ARG_PATH, "kurtosis-dump"))},
	{ENGINE("inspect", "Inspect an enclave"), .run = kt_cmd_enclave_inspect, FLAGS(FULL_UUIDS),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE))},
	{ENGINE("ls", "Lists enclaves"), .run = kt_cmd_enclave_ls, FLAGS(FULL_UUIDS)},
	{ENGINE("rm", "Destroys the specified enclaves"), .run = kt_cmd_enclave_rm,
	 FLAGS(BOOL_L("force", 'f', "Destroy enclaves that are running, too")),
	 ARGS({"enclaves", KT_ARG_ENCLAVE, KT_ARG_GREEDY, ""})},
	{ENGINE("stop", "Stops enclaves"), .run = kt_cmd_enclave_stop,
	 ARGS({"enclaves", KT_ARG_ENCLAVE, KT_ARG_GREEDY, ""})},
};

#define ENGINE_FLAGS                                                                               \
	FLAGS(STR("version", "", "The version of the engine to start; empty means the CLI's own"), \
	      STR("log-level", "debug",                                                            \
		  "The level that the engine logs at (panic|fatal|error|warning|info|debug|trace)"), \
	      {"enclave-pool-size", 0, KT_FLAG_UINT8, "0",                                         \
	       "How many idle enclaves to keep ready (Kubernetes only)"},                          \
	      STR("github-auth-token", "", "The GitHub token that private packages are read with"), \
	      BOOL("restart-api-containers", "Restart the API containers of all enclaves, too"),   \
	      STR("domain", "", "The domain that the web page is served under"),                   \
	      STR("log-retention-period", "168h", "How long logs of services are kept, e.g. 168h"))

static const kt_command engine[] = {
	{ENGINE("logs", "Dumps logs for all engines"), .run = kt_cmd_engine_logs,
	 ARGS(ARG_OR("output-dirpath", KT_ARG_PATH, "kurtosis-engine-logs"))},
	{LOCAL("restart", "Restart the Kurtosis engine"), .run = kt_cmd_engine_restart, ENGINE_FLAGS},
	{LOCAL("start", "Starts the Kurtosis engine"), .run = kt_cmd_engine_start, ENGINE_FLAGS},
	{PLAIN("status", "Reports the status of the Kurtosis engine"), .run = kt_cmd_engine_status},
	{PLAIN("stop", "Stops the Kurtosis engine"), .run = kt_cmd_engine_stop},
};

#define ARTIFACT_NAME STR("name", "", "The files artifact's name; empty means a generated one")

static const kt_command files[] = {
	{ENGINE("download", "Download a files artifact from an enclave"), .run = kt_cmd_files_download,
	 FLAGS(BOOL("no-extract", "Leave the archive as it is instead of unpacking it")),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("artifact-identifier", KT_ARG_ARTIFACT),
	      ARG_OR("destination-path", KT_ARG_PATH, ""))},
	{ENGINE("inspect", "Inspect files of an enclave"), .run = kt_cmd_files_inspect,
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("artifact-identifier", KT_ARG_ARTIFACT),
	      ARG_OR("file-path", KT_ARG_TEXT, ""))},
	{ENGINE("rendertemplate", "Renders a template to an enclave."), .run = kt_cmd_files_rendertemplate, FLAGS(ARTIFACT_NAME),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("template-filepath", KT_ARG_PATH),
	      ARG("data-json-filepath", KT_ARG_PATH),
	      ARG("destination-relative-filepath", KT_ARG_TEXT))},
	{ENGINE("storeservice", "Store files from a service"), .run = kt_cmd_files_storeservice, FLAGS(ARTIFACT_NAME),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("service", KT_ARG_SERVICE),
	      ARG("filepath", KT_ARG_TEXT))},
	{ENGINE("storeweb", "Downloads files from a URL"), .run = kt_cmd_files_storeweb, FLAGS(ARTIFACT_NAME),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("url", KT_ARG_TEXT))},
	{ENGINE("upload", "Uploads files to an enclave"), .run = kt_cmd_files_upload,
	 FLAGS(ARTIFACT_NAME), ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("path", KT_ARG_EXISTING_PATH))},
};

static const kt_command github[] = {
	{LOCAL("login", "Authorizes Kurtosis CLI on behalf of a Github user."),
	 .run = kt_cmd_github_login,
	 .about = "Stores a GitHub token, with which private packages are read.\n\nThe token comes "
		  "from --token, else from $GITHUB_TOKEN, else from stdin.",
	 FLAGS(STR("token", "", "The token; - reads it from stdin, which keeps it out of the list of "
				"processes"),
	       STR("username", "", "The name of the user whose token it is, for `github status`"))},
	{LOCAL("logout", "Logs out a GitHub user from Kurtosis CLI"), .run = kt_cmd_github_logout},
	{LOCAL("status", "Displays GitHub auth info"), .run = kt_cmd_github_status},
	{LOCAL("token", "Displays GitHub auth token used if a user is logged in"),
	 .run = kt_cmd_github_token},
};

#define NEEDS_DOCKER                                                                               \
	"it starts containers beside the enclaves in Docker or Kubernetes, which are not supported " \
	"yet; `kurtosis service logs` reads the logs of this machine"

static const kt_command grafloki[] = {
	{LOCAL("start", "Starts a Grafana/Loki instance."), REFUSED(NEEDS_DOCKER)},
	{LOCAL("stop", "Stops a grafana/loki instance."), REFUSED(NEEDS_DOCKER)},
};

static const kt_command image[] = {
	{LOCAL("load", "Loads images from an archive or an OCI layout"), .run = kt_cmd_image_load,
	 ARGS(ARG("path", KT_ARG_PATH), ARG_OR("name", KT_ARG_TEXT, ""))},
	{LOCAL("ls", "Lists the images on this machine"), .run = kt_cmd_image_ls},
	{LOCAL("pull", "Pulls an image from its registry"), .run = kt_cmd_image_pull,
	 ARGS(ARG("image", KT_ARG_TEXT))},
	{LOCAL("rm", "Removes images from this machine"), .run = kt_cmd_image_rm,
	 FLAGS(BOOL_L("force", 'f', "Remove images that enclaves use, too")),
	 ARGS({"image", KT_ARG_TEXT, KT_ARG_GREEDY, ""})},
};

static const kt_command loki[] = {
	{LOCAL("start", "Starts a Loki instance."), REFUSED(NEEDS_DOCKER)},
};

static const kt_command lsp[] = {
	{LOCAL("start", "Start the Starlark LSP server"), .run = kt_cmd_lsp_start,
	 FLAGS(STR("address", "", "Listen on this TCP address instead of using stdin and stdout"))},
};

static const kt_command otel[] = {
	{LOCAL("start", "Starts Docker-only OpenTelemetry side containers."),
	 REFUSED(NEEDS_DOCKER)},
	{LOCAL("stop", "Stops Docker-only OpenTelemetry side containers."), REFUSED(NEEDS_DOCKER)},
};

static const kt_command package[] = {
	{LOCAL("init", "Creates a new Kurtosis package"), .run = kt_cmd_package_init,
	 ARGS(ARG_OR("package-name", KT_ARG_TEXT, "github.com/example-org/example-package"))},
};

static const kt_command port[] = {
	{ENGINE("print", "Get information about port"), .run = kt_cmd_port_print,
	 FLAGS(STR("format", "protocol,ip,number",
		   "The parts of the address to print, separated by commas")),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("service", KT_ARG_SERVICE_EVER),
	      ARG("port_id", KT_ARG_TEXT))},
};

#define NO_PORTAL                                                                                  \
	"the Portal leads to contexts on other machines, and only contexts on this machine are "   \
	"supported"

static const kt_command portal[] = {
	{LOCAL("start", "Starts Kurtosis Portal"), REFUSED(NO_PORTAL)},
	{LOCAL("status", "Displays the status of the Kurtosis Portal"), REFUSED(NO_PORTAL)},
	{LOCAL("stop", "Stops Kurtosis Portal"), REFUSED(NO_PORTAL)},
};

#define SERVICE_FLAGS                                                                              \
	STR("cmd", "", "The command that the container runs, split at blanks"),                    \
		STR("entrypoint", "", "The container's entrypoint, split at blanks"),              \
		STR("env", "", "Environment variables as KEY1=VALUE1,KEY2=VALUE2"),                \
		STR("ports", "", "Ports as ID1=SPEC1,ID2=SPEC2 with SPEC [PROTOCOL:]NUMBER[/tcp|udp]"), \
		STR("files", "", "Files artifacts as MOUNTPOINT1:ARTIFACT1,MOUNTPOINT2:ARTIFACT2"), \
		BOOL("privileged", "Run the container with all privileges")

static const kt_command service[] = {
	{ENGINE("add", "Adds a service to an enclave"), .run = kt_cmd_service_add,
	 FLAGS(SERVICE_FLAGS,
	       STR("ip-address-placeholder", "",
		   "The text that stands for the service's own address in its configuration"),
	       STR("json-service-config", "", "Read the whole configuration from this JSON file (- for stdin), in the form of "
		   "service inspect -o json"),
	       FULL_UUIDS),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("service-name", KT_ARG_TEXT),
	      ARG_OR("image", KT_ARG_TEXT, ""))},
	{ENGINE("exec", "Executes a command in a service"), .run = kt_cmd_service_exec,
	 FLAGS(STR_L("user", 'u', "root", "The user that runs the command")),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("service", KT_ARG_SERVICE),
	      ARG("command", KT_ARG_TEXT))},
	{ENGINE("inspect", "Inspect a service"), .run = kt_cmd_service_inspect,
	 FLAGS(BOOL("full-uuid", "Print the UUID in full instead of its first twelve digits"),
	       STR_L("output", 'o', "", "The output's `format`: json or yaml")),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("service", KT_ARG_SERVICE))},
	{ENGINE("logs", "Get service logs"), .run = kt_cmd_service_logs,
	 FLAGS(BOOL_L("follow", 'f', "Go on printing lines as they come"),
	       BOOL_L("all", 'a', "Print all lines instead of the last ones"),
	       {"num", 'n', KT_FLAG_UINT32, "200", "How many of the last lines to print"},
	       STR("match", "", "Print only lines that contain this text"),
	       STR("regex-match", "", "Print only lines that match this regular expression (RE2)"),
	       BOOL_L("invert-match", 'v', "Print the lines that do not match instead"),
	       BOOL_L("all-services", 'x', "Print the lines of all services of the enclave")),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE),
	      {"service", KT_ARG_SERVICE_EVER, KT_ARG_OPTIONAL | KT_ARG_GREEDY, ""})},
	{ENGINE("rm", "Removes a service from an enclave"), .run = kt_cmd_service_rm,
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("service", KT_ARG_SERVICE))},
	{ENGINE("shell", "Gets a shell on a service"), .run = kt_cmd_service_shell,
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("service", KT_ARG_SERVICE))},
	{ENGINE("start", "Restarts a stopped service"), .run = kt_cmd_service_start,
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), {"service", KT_ARG_SERVICE, KT_ARG_GREEDY, ""})},
	{ENGINE("stop", "Stops a service"), .run = kt_cmd_service_stop,
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), {"service", KT_ARG_SERVICE, KT_ARG_GREEDY, ""})},
	{ENGINE("update", "Update a service"), .run = kt_cmd_service_update,
	 FLAGS(STR("image", "", "The image to use from now on"), SERVICE_FLAGS),
	 ARGS(ARG("enclave", KT_ARG_ENCLAVE), ARG("service", KT_ARG_SERVICE))},
};

static const kt_command top[] = {
	{LOCAL("analytics", "Control Kurtosis's anonymous aggregate user behavior analytics"),
	 .run = kt_cmd_analytics,
	 ARGS(ARG("enable|disable|id", KT_ARG_TEXT))},
	{LOCAL("check", "Checks a Starlark script or package without running it"),
	 .run = kt_cmd_check,
	 FLAGS(STR("main-file", "", "The package's file to check; empty means main.star"),
	       STR("main-function-name", "", "The function to call; empty means run"),
	       STR("args-file", "",
		   "Read the arguments from this JSON or YAML file, a path or an http(s) URL"),
	       BOOL("offline", "Use only packages that this machine has already")),
	 ARGS(ARG("script-or-package-path", KT_ARG_PATH),
	      ARG_OR("args", KT_ARG_TEXT, "{}"))},
	{ENGINE("clean", "Cleans up Kurtosis leftover artifacts"), .run = kt_cmd_clean,
	 FLAGS(BOOL_L("all", 'a', "Remove running enclaves, too"))},
	{GROUP("cluster", "Manage Kurtosis cluster setting"), CHILDREN(cluster)},
	{GROUP("context", "Manage Kurtosis contexts"), CHILDREN(context)},
	{GROUP("cloud", "Manage Kurtosis cloud instances"), CHILDREN(cloud)},
	{ENGINE("dump", "Dumps entire Kurtosis State"), .run = kt_cmd_dump,
	 ARGS(ARG_OR("output-dirpath", KT_ARG_PATH, "kurtosis-dump"))},
	{GROUP("config", "Manage configurations"), CHILDREN(config)},
	{LOCAL("discord", "Opens the Kurtosis Discord"), .run = kt_cmd_open},
	{LOCAL("docs", "Opens the Kurtosis Documentation Page"), .run = kt_cmd_open},
	{GROUP("enclave", "Manage enclaves"), CHILDREN(enclave)},
	{GROUP("engine", "Manage the Kurtosis engine server"), CHILDREN(engine)},
	{LOCAL("feedback", "Give feedback"), .run = kt_cmd_feedback,
	 FLAGS(BOOL("email", "Give feedback by e-mail"), BOOL("calendly", "Book a call"),
	       BOOL_L("bug", 'b', "Report a bug"), BOOL_L("feature", 'f', "Ask for a feature"),
	       BOOL_L("docs", 'd', "Report a problem of the documentation")),
	 ARGS(ARG_OR("message", KT_ARG_TEXT, "default-message-value"))},
	{GROUP("files", "Manage files for an enclave"), CHILDREN(files)},
	{PLAIN("gateway", "Starts a local gateway to a Kurtosis cluster running in Kubernetes"),
	 REFUSED("Kubernetes is not supported yet, and the engine on this machine needs no gateway")},
	{GROUP("image", "Manage the images on this machine"), CHILDREN(image)},
	{LOCAL("lint", "Lints the Kurtosis package or file"), .run = kt_cmd_lint,
	 FLAGS(BOOL_L("format", 'f', "Rewrite the files in the standard format"),
	       BOOL_L("check-docstring", 'c', "Check the documentation of the main function")),
	 ARGS({"file-or-dir", KT_ARG_PATH, KT_ARG_OPTIONAL | KT_ARG_GREEDY, "."})},
	{GROUP("lsp", "Language server for Starlark"), .hidden = true, CHILDREN(lsp)},
	{GROUP("port", "Manage ports"), CHILDREN(port)},
	{GROUP("portal", "Manages lifecycle of Kurtosis Portal"), CHILDREN(portal)},
	{ENGINE("run", "Run a Starlark script or package"), .run = kt_cmd_run,
	 FLAGS(BOOL("dry-run", "Print the plan without carrying it out"),
	       BOOL("dependencies", "Print the images and packages that the run needs, and stop"),
	       BOOL("pull", "With --dependencies: fetch them to this machine"),
	       STR("enclave", "",
		   "The enclave to run in: it is used if it exists and created otherwise; empty "
		   "means a new one with a generated name"),
	       {"parallelism", 0, KT_FLAG_UINT32, "4", "How many services are started at a time"},
	       STR_L("verbosity", 'v', "brief",
		     "How instructions are shown: `brief`, detailed, executable, output_only or "
		     "description"),
	       BOOL_ON("show-enclave-inspect", "Show the enclave's contents at the end"), FULL_UUIDS,
	       STR("main-file", "", "The package's file to run; empty means main.star"),
	       STR("main-function-name", "", "The function to run; empty means run"),
	       STR("experimental", "", "Experimental features, separated by commas"),
	       BOOL_L("production", 'p',
		      "Create the enclave in production mode: its services are restarted when they "
		      "exit"),
	       BOOL("no-connect", "Do not forward the services' ports to this machine"),
	       STR("args-file", "",
		   "Read the arguments from this JSON or YAML file, a path or an http(s) URL"),
	       STR("image-download", "missing",
		   "When images are pulled: `missing` (if they are not there) or always"),
	       BOOL("non-blocking-tasks", "Keep the containers of run_sh and run_python"),
	       BOOL("parallel", "Run instructions that do not depend on each other at once"),
	       BOOL_ON("resource-check", "Check processor and memory limits before the run"),
	       BOOL("privileged", "Allow services to ask for all privileges"),
	       BOOL("output-graph", "Write a picture (PNG) of the plan's dependency graph before the run; "
				    "needs Graphviz"),
	       STR("output-graph-path", "./", "The directory for these files"),
	       BOOL("with-mermaid", "Write that graph as Mermaid text; alone or with --output-graph")),
	 ARGS(ARG("script-or-package-path", KT_ARG_EXISTING_PATH), ARG_OR("args", KT_ARG_TEXT, "{}"))},
	{GROUP("service", "Manage services"), CHILDREN(service)},
	{GROUP("loki", "Start Loki for log collection"), CHILDREN(loki)},
	{ENGINE("import", "Import external workflows into Kurtosis"),
	 FLAGS(STR_L("enclave", 'n', "", "The enclave to run in; empty means a new one"),
	       STR_L("env", 'e', ".env", "The file with the environment variables"),
	       BOOL_L("convert", 'c', "Write the Starlark script instead of running it")),
	 ARGS(ARG("file-path", KT_ARG_PATH)), .run = kt_cmd_import},
	{LOCAL("starlark", "Run a Starlark file, or what is typed"), .run = kt_cmd_starlark,
	 .about = "Runs a Starlark file, or standard input when it is called -, or without one what is "
		  "typed at a prompt. It knows json, time and struct, but nothing of plans and services.",
	 FLAGS(STR("dialect", "kurtosis",
		   "The language as packages see it (kurtosis), or with sets (standard)"),
	       STR("option", "",
		   "What the dialect leaves out, set apart by commas: set, while, recursion, "
		   "toplevelcontrol, globalreassign"),
	       BOOL("disassemble", "Print what the file is compiled to instead of running it"),
	       STR("profile", "",
		   "Print the time per function and line at the end, and write the stacks into this "
		   "`file` as flame graph tools read them")),
	 ARGS(ARG_OR("file", KT_ARG_PATH, ""))},
	{LOCAL("test", "Runs the tests of a package"), .run = kt_cmd_test,
	 FLAGS(STR_L("output", 'o', "text", "How the report is written: `text`, json or junit"),
	       STR("test-file-pattern", "**/*_{test,spec}.star", "Which files hold tests"),
	       STR("test-pattern", "test_*", "Which functions are tests"),
	       STR("temp-dir", ".kurtosis-test", "A directory that is not searched for tests"),
	       {"jobs", 'j', KT_FLAG_UINT32, "0",
		"How many tests run at a time; 0 means one per processor"},
	       BOOL("offline", "Use only packages that this machine has already")),
	 ARGS(ARG_OR("dir", KT_ARG_PATH, "."))},
	{LOCAL("twitter", "Opens the official Kurtosis Twitter page"), .run = kt_cmd_open},
	{PLAIN("version", "Prints the CLI version"), .run = kt_cmd_version},
	{LOCAL("web", "Opens the Kurtosis Web UI(beta)"),
	 REFUSED("the engine serves no web page yet; `kurtosis enclave inspect` shows what there is")},
	{GROUP("package", "Manage packages"), CHILDREN(package)},
	{GROUP("github", "Manage GitHub login"), CHILDREN(github)},
	{GROUP("grafloki", "Start Grafana/Loki for log collection"), CHILDREN(grafloki)},
	{GROUP("otel", "Start Docker-only OpenTelemetry side containers"), CHILDREN(otel)},
	{LOCAL("help", "Help about any command"),
	 ARGS({"command", KT_ARG_TEXT, KT_ARG_OPTIONAL | KT_ARG_GREEDY, ""})},
	{GROUP("completion", "Generate the autocompletion script for the specified shell"),
	 CHILDREN(completion)},
};

static const kt_command root = {
	.name = "kurtosis",
	.kind = KT_COMMAND_GROUP,
	.brief = "A CLI for interacting with the Kurtosis engine",
	CHILDREN(top),
};

const kt_command *kt_commands(void)
{
	return &root;
}
