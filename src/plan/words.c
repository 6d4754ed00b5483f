#include "plan/words.h"

static const char *const adjectives[] = {
	"amber",    "ancient",	"autumn",   "bitter",	"blooming", "blue",	"bold",
	"brave",    "breezy",	"bright",   "bronze",	"calm",	    "clear",	"cloudy",
	"cold",	    "copper",	"coral",    "crimson",	"crisp",    "curious",	"damp",
	"dappled",  "dawning",	"deep",	    "distant",	"drifting", "dusky",	"early",
	"eastern",  "emerald",	"evening",  "fading",	"fertile",  "floating", "foggy",
	"forest",   "fragrant", "fresh",    "frosty",	"gentle",   "glowing",	"golden",
	"grassy",   "green",	"hazy",	    "hidden",	"hollow",   "humid",	"icy",
	"ivory",    "leafy",	"light",    "lively",	"lonely",   "lunar",	"mellow",
	"misty",    "mossy",	"narrow",   "northern", "old",	    "opal",	"pale",
	"patient",  "pebbled",	"polished", "quiet",	"rainy",    "rapid",	"restless",
	"rising",   "rocky",	"rolling",  "rustling", "sandy",    "scarlet",	"serene",
	"shaded",   "shallow",	"silent",   "silver",	"sleepy",   "snowy",	"soft",
	"solar",    "southern", "spring",   "starry",	"steep",    "still",	"stony",
	"stormy",   "summer",	"sunny",    "swift",	"tidal",    "timid",	"tranquil",
	"twilight", "velvet",	"verdant",  "vivid",	"wandering", "warm",	"western",
	"whispering", "wild",	"windy",    "winter",	"woven",    "young",
};

static const char *const nouns[] = {
	"acorn",   "alder",   "aspen",	 "badger",   "bay",	 "beach",   "bear",    "birch",
	"bluff",   "boulder", "branch",	 "brook",    "canyon",	 "cape",    "cave",    "cedar",
	"clearing", "cliff",  "cloud",	 "clover",   "coast",	 "comet",   "cove",    "crane",
	"creek",   "crest",   "current", "delta",    "desert",	 "dew",	    "dune",    "eagle",
	"echo",	   "elm",     "ember",	 "falcon",   "fern",	 "field",   "finch",   "fjord",
	"flame",   "flower",  "fog",	 "forest",   "fox",	 "frost",   "glacier", "glade",
	"glen",	   "gorge",   "grove",	 "gulf",     "harbor",	 "hare",    "hawk",    "heath",
	"heron",   "hill",    "hollow",	 "horizon",  "island",	 "ivy",	    "lagoon",  "lake",
	"lark",	   "leaf",    "lichen",	 "lynx",     "maple",	 "marsh",   "meadow",  "mesa",
	"mist",	   "moon",    "moss",	 "mountain", "oak",	 "ocean",   "orchard", "otter",
	"owl",	   "pass",    "peak",	 "pebble",   "pine",	 "plain",   "pond",    "prairie",
	"rain",	   "raven",   "reef",	 "ridge",    "river",	 "robin",   "sage",    "sea",
	"shore",   "sky",     "slope",	 "snow",     "sparrow",	 "spring",  "spruce",  "star",
	"stone",   "storm",   "stream",	 "summit",   "surf",	 "swan",    "thicket", "thistle",
	"thunder", "tide",    "trail",	 "tundra",   "valley",	 "violet",  "wave",    "willow",
	"wind",	   "wolf",    "wood",	 "wren",
};

size_t kt_words_count(void)
{
	return KT_ARRAY_LEN(adjectives) * KT_ARRAY_LEN(nouns);
}

const char *kt_words_adjective(size_t i)
{
	return adjectives[i % KT_ARRAY_LEN(adjectives)];
}

const char *kt_words_noun(size_t i)
{
	return nouns[i / KT_ARRAY_LEN(adjectives) % KT_ARRAY_LEN(nouns)];
}
