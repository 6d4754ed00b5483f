/* Names of enclaves: the rule, and random ones. */
#include "engine/engine_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_LEN 60
#define DRAWS 6

static const char *const adjectives[] = {
	"amber",  "ancient", "autumn", "azure",	 "bold",   "brave",  "breezy", "bright", "broad",
	"calm",	  "clear",   "clever", "cosmic", "cozy",   "crisp",  "dapper", "daring", "dawn",
	"deep",	  "distant", "dusky",  "eager",	 "early",  "earthy", "elder",  "even",	 "fabled",
	"fair",	  "fertile", "fleet",  "fond",	 "fresh",  "frosty", "gentle", "gilded", "glad",
	"golden", "grand",   "green",  "hardy",	 "hazy",   "hidden", "high",   "hollow", "humble",
	"idle",	  "jade",    "jolly",  "keen",	 "kind",   "lasting", "lively", "lofty", "lone",
	"lucid",  "lunar",   "lush",   "mellow", "merry",  "mighty", "mild",   "misty",	 "modest",
	"mossy",  "mystic",  "noble",  "northern", "opal", "open",   "patient", "placid", "plain",
	"polar",  "proud",   "quick",  "quiet",	 "rapid",  "rare",   "rolling", "rosy",	 "royal",
	"rustic", "sandy",   "serene", "shady",	 "silent", "silver", "sleek",  "smooth", "snowy",
	"solar",  "solid",   "spry",   "stark",	 "steady", "still",  "stony",  "sunny",	 "swift",
	"tall",	  "tidal",   "tidy",   "twin",	 "vast",   "velvet", "verdant", "vivid", "warm",
	"wild",	  "windy",   "winter", "wise",	 "young",  "zesty",
};

static const char *const places[] = {
	"atoll",  "basin",  "bay",    "beach",	"bluff",  "bog",     "brook",	"butte",  "canyon",
	"cape",	  "cave",   "cliff",  "coast",	"cove",	  "crag",    "crater",	"creek",  "dale",
	"delta",  "desert", "dune",   "estuary", "fen",	  "field",   "fjord",	"forest", "geyser",
	"glacier", "glade", "glen",   "gorge",	"grotto", "grove",   "gulf",	"harbor", "heath",
	"highland", "hill", "hollow", "inlet",	"island", "isthmus", "jungle",	"knoll",  "lagoon",
	"lake",	  "marsh",  "meadow", "mesa",	"moor",	  "mountain", "oasis",	"ocean",  "orchard",
	"pass",	  "peak",   "plain",  "plateau", "pond",  "prairie", "ravine",	"reef",	  "ridge",
	"river",  "savanna", "shoal", "shore",	"spring", "steppe",  "strait",	"summit", "swamp",
	"tundra", "valley", "vale",   "volcano", "waterfall", "wetland", "wood",
};

int kt_enclave_name_check(const char *name, kt_err *err)
{
	size_t len = strlen(name);
	bool good = len > 0 && len <= NAME_MAX_LEN;
	for (size_t i = 0; good && i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		good = c < 0x80 && (isalnum(c) || c == '-');
	}
	if (good) {
		return 0;
	}
	return KT_FAIL(err, INVALID,
		       "Enclave name '%s' doesn't match allowed enclave name regex "
		       "'^[-A-Za-z0-9]{1,60}$'",
		       name);
}

static const char *draw(const char *const *words, size_t len)
{
	uint32_t n = 0;
	kt_random_bytes(&n, sizeof(n));
	return words[n % len];
}

char *kt_enclave_name_make(bool (*taken)(void *ctx, const char *name), void *ctx)
{
	KT_AUTO_FREE char *name = NULL;
	for (int i = 0; i < DRAWS; i++) {
		kt_free(name);
		name = kt_asprintf("%s-%s", draw(adjectives, KT_ARRAY_LEN(adjectives)),
				   draw(places, KT_ARRAY_LEN(places)));
		if (name == NULL || !taken(ctx, name)) {
			return KT_STEAL(name);
		}
	}
	for (unsigned n = 1;; n++) {
		char *numbered = kt_asprintf("%s-%u", name, n);
		if (numbered == NULL || !taken(ctx, numbered)) {
			return numbered;
		}
		kt_free(numbered);
	}
}
