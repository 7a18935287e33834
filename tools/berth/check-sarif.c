// SPDX-License-Identifier: BSD-2-Clause
/* The findings as SARIF 2.1.0, for code review systems. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <berth/berth.h>

#include "check.h"

#define SCHEMA \
	"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#define BASE "SRCROOT"

/* As a URI: what may not be in one is escaped. */
static void make_uri(const char *path, const char *before, const char *after, char *uri,
		     size_t size)
{
	size_t used = (size_t)snprintf(uri, size, "%s", before);

	for (; *path && used + 4 < size - strlen(after); path++) {
		const unsigned char c = (unsigned char)*path;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~/+,=@", c))
			uri[used++] = (char)c;
		else
			used += (size_t)snprintf(uri + used, size - used, "%%%02X", c);
	}
	snprintf(uri + used, size - used, "%s", after);
}

static void put_message(struct check_json *json, const char *name, const char *text)
{
	json_open(json, name, '{');
	json_text(json, "text", text);
	json_close(json, '}');
}

static void put_artifact(struct check_json *json, const char *file)
{
	const char *relative = check_relative(file);
	char uri[8192];

	make_uri(relative, *relative == '/' ? "file://" : "", "", uri, sizeof(uri));
	json_open(json, "artifactLocation", '{');
	json_text(json, "uri", uri);
	if (*relative != '/')
		json_text(json, "uriBaseId", BASE);
	json_close(json, '}');
}

static void put_location(struct check_json *json, const char *name, const struct check_line *line,
			 const char *message)
{
	json_open(json, name, '{');
	if (message)
		put_message(json, "message", message);
	if (line->file || line->module) {
		json_open(json, "physicalLocation", '{');
		put_artifact(json, line->file ? line->file : line->module);
		if (line->file && line->line) {
			json_open(json, "region", '{');
			json_number(json, "startLine", line->line);
			json_close(json, '}');
		} else if (!line->file) {
			json_open(json, "address", '{');
			json_number(json, "relativeAddress", (int64_t)line->offset);
			json_close(json, '}');
		}
		json_close(json, '}');
	}
	if (line->function) {
		json_open(json, "logicalLocations", '[');
		json_open(json, NULL, '{');
		json_text(json, "name", line->function);
		json_text(json, "kind", "function");
		json_close(json, '}');
		json_close(json, ']');
	}
	json_close(json, '}');
}

static void put_stack(struct check_json *json, const struct check_lines *lines, const char *message)
{
	if (!lines->nr)
		return;
	json_open(json, NULL, '{');
	put_message(json, "message", message);
	json_open(json, "frames", '[');
	for (unsigned int i = lines->at < lines->nr ? lines->at : 0; i < lines->nr; i++) {
		const struct check_line *line = &lines->line[i];

		json_open(json, NULL, '{');
		put_location(json, "location", line, NULL);
		if (line->module)
			json_text(json, "module", line->module);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

static const struct check_line *first_of(const struct check_lines *lines)
{
	return lines->at < lines->nr ? &lines->line[lines->at] : NULL;
}

/* First it is mapped, then it is touched. */
static void put_flow(struct check_json *json, const struct check_finding *finding)
{
	const struct check_line *steps[] = { first_of(&finding->mapped),
					     first_of(&finding->touched) };
	static const char *const messages[] = { "mapped or allocated here", "touched here" };

	if (!steps[0] || !steps[1])
		return;
	json_open(json, "codeFlows", '[');
	json_open(json, NULL, '{');
	json_open(json, "threadFlows", '[');
	json_open(json, NULL, '{');
	json_open(json, "locations", '[');
	for (unsigned int i = 0; i < 2; i++) {
		json_open(json, NULL, '{');
		put_location(json, "location", steps[i], messages[i]);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
	json_close(json, ']');
	json_close(json, '}');
	json_close(json, ']');
}

static uint64_t mix(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return (hash ^ 0xff) * 0x100000001b3u;
}

/* By names and not by lines: the same when code above has moved. */
static void put_fingerprint(struct check_json *json, const struct check_finding *finding)
{
	const struct check_lines *stacks[] = { &finding->touched, &finding->mapped };
	uint64_t hash = mix(0xcbf29ce484222325u, finding->id);
	char text[24];

	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int n = stacks[i]->at;
		     n < stacks[i]->nr && stacks[i]->line[n].is_program; n++) {
			const struct check_line *line = &stacks[i]->line[n];

			hash = mix(mix(hash, line->file ? check_relative(line->file) : NULL),
				   line->function);
		}
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash);
	json_open(json, "partialFingerprints", '{');
	json_text(json, "berthCheck/v1", text);
	json_close(json, '}');
}

static void put_properties(struct check_json *json, const struct check_results *results,
			   const struct check_finding *finding)
{
	char again[1024];

	json_open(json, "properties", '{');
	json_text(json, "test", finding->test);
	json_text(json, "machine", finding->machine);
	if (finding->breaks_on[0])
		json_text(json, "breaksOn", finding->breaks_on);
	json_open(json, "seeds", '[');
	for (unsigned int i = 0; i < finding->nr_seeds; i++)
		json_number(json, NULL, (int64_t)finding->seeds[i]);
	json_close(json, ']');
	check_again(results, finding, again, sizeof(again));
	json_text(json, "again", again);
	json_close(json, '}');
}

static int64_t rule_index(const struct check_results *results, const char *id)
{
	for (unsigned int i = 0; i < results->nr_rules; i++)
		if (!strcmp(results->rules[i].id, id))
			return i;
	return -1;
}

static void put_result(struct check_json *json, const struct check_results *results,
		       const struct check_finding *finding)
{
	const struct check_line *line = check_main_line(finding),
				*mapped = first_of(&finding->mapped);
	const struct check_line *other = first_of(&finding->other);
	char message[8 * CHECK_TEXT];

	snprintf(message, sizeof(message), "%s. %s%s%s%s%s%s", finding->what, finding->hint,
		 finding->hint[0] ? " " : "", finding->advice,
		 finding->breaks_on[0] ? " It breaks on " : "", finding->breaks_on,
		 finding->breaks_on[0] ? "." : "");
	json_open(json, NULL, '{');
	json_text(json, "ruleId", finding->id);
	json_number(json, "ruleIndex", rule_index(results, finding->id));
	json_text(json, "level", finding->level);
	put_message(json, "message", message);
	json_open(json, "locations", '[');
	if (line)
		put_location(json, NULL, line, NULL);
	json_close(json, ']');
	json_open(json, "relatedLocations", '[');
	if (mapped && mapped != line)
		put_location(json, NULL, mapped, "mapped or allocated here");
	if (other)
		put_location(json, NULL, other, "the other access");
	json_close(json, ']');
	json_open(json, "stacks", '[');
	put_stack(json, &finding->touched, "touched");
	put_stack(json, &finding->mapped, "mapped or allocated");
	json_close(json, ']');
	put_flow(json, finding);
	json_number(json, "occurrenceCount", (int64_t)finding->count);
	put_fingerprint(json, finding);
	put_properties(json, results, finding);
	json_close(json, '}');
}

static void put_rules(struct check_json *json, const struct check_results *results)
{
	json_open(json, "rules", '[');
	for (unsigned int i = 0; i < results->nr_rules; i++) {
		json_open(json, NULL, '{');
		json_text(json, "id", results->rules[i].id);
		put_message(json, "shortDescription", results->rules[i].text);
		put_message(json, "help",
			    results->rules[i].advice[0] ? results->rules[i].advice
							: results->rules[i].text);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_run(struct check_json *json, const struct check_results *results)
{
	char here[4096], uri[16384];

	json_open(json, "tool", '{');
	json_open(json, "driver", '{');
	json_text(json, "name", "berth check");
	json_text(json, "version", berth_version());
	put_rules(json, results);
	json_close(json, '}');
	json_close(json, '}');
	if (getcwd(here, sizeof(here))) {
		make_uri(here, "file://", "/", uri, sizeof(uri));
		json_open(json, "originalUriBaseIds", '{');
		json_open(json, BASE, '{');
		json_text(json, "uri", uri);
		json_close(json, '}');
		json_close(json, '}');
	}
	json_open(json, "invocations", '[');
	json_open(json, NULL, '{');
	json_bool(json, "executionSuccessful", true);
	if (results->warning[0]) {
		json_open(json, "toolExecutionNotifications", '[');
		json_open(json, NULL, '{');
		json_text(json, "level", "warning");
		put_message(json, "message", results->warning);
		json_close(json, '}');
		json_close(json, ']');
	}
	json_close(json, '}');
	json_close(json, ']');
	json_open(json, "results", '[');
	for (unsigned int i = 0; i < results->nr_findings; i++)
		put_result(json, results, &results->findings[i]);
	json_close(json, ']');
}

int check_write_sarif(const struct check_results *results)
{
	struct check_json json = { .file = fopen(results->options->sarif, "we") };
	int error;

	if (!json.file)
		return errno;
	json_open(&json, NULL, '{');
	json_text(&json, "$schema", SCHEMA);
	json_text(&json, "version", "2.1.0");
	json_open(&json, "runs", '[');
	json_open(&json, NULL, '{');
	put_run(&json, results);
	json_close(&json, '}');
	json_close(&json, ']');
	json_close(&json, '}');
	error = ferror(json.file) ? EIO : 0;
	if (fclose(json.file))
		error = errno;
	return error;
}
