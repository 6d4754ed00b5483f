/* The command line program. */
#ifndef KT_CLI_CLI_H
#define KT_CLI_CLI_H

/* Carries out one command; the result is the exit status (0 or 1). */
int kt_cli_main(int argc, char **argv);

#endif
