/*
 * How the supervisor writes a service's output, for those who read it (src/logs/).
 *
 * One text file per service, appended to over all its starts. One line of the service is one
 * line of the file:
 *
 *     <time> <stream> <tag> <text>\n
 *     2026-11-22T12:00:00.123456789Z stdout F hello
 *
 *   time    RFC 3339, UTC, always nine digits after the second: 30 bytes. When its first byte was
 *           read by the supervisor. Never goes backwards within a file.
 *   stream  "stdout" or "stderr" (6 bytes both). A pty's output is "stdout".
 *   tag     "F": the line ended here. "P": the text is a part, more of the same line follows in
 *           the next record of the same stream (a line longer than KT_LOG_TEXT_MAX, or output
 *           without a newline that has waited for a while or that was last before the end).
 *           A "P" record may be the last one.
 *   text    the bytes as written, without the newline; any byte but '\n', NUL included. A '\r'
 *           before the newline stays.
 *
 * So the text starts at byte KT_LOG_TEXT_OFFSET, always. A reader that finds no '\n' at the end
 * of the file has caught the supervisor in the middle of a write: wait for more.
 *
 * Rotation: when the file has reached its maximum it is renamed to "<path>.1" after
 * "<path>.1" was renamed to "<path>.2" and so on; the oldest is deleted. Records never span files.
 * A follower sees IN_MOVE_SELF (or a changed inode at the path) and continues with the new file
 * after it has read the old one to its end.
 */
#ifndef KT_BACKEND_NATIVE_LOG_FORMAT_H
#define KT_BACKEND_NATIVE_LOG_FORMAT_H

#define KT_LOG_TIME_LEN 30
#define KT_LOG_STREAM_OFFSET 31
#define KT_LOG_TAG_OFFSET 38
#define KT_LOG_TEXT_OFFSET 40
#define KT_LOG_TEXT_MAX 16384 /* bytes of text in one record */

#endif
