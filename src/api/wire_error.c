/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The error catalogue (spec 01, 8.3; spec 02, 11): one row per reason, one per kn_code without. */
#include "api/wire_error.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"

// What a throttled client waits (spec 01, section 10: the SDKs take it from x-acs-retry-after). Well
// above the time a full pool needs to shrink, well below what a person notices.
#define RETRY_AFTER_MS 200

struct row {
    const char *reason; // struct kn_error's reason
    int status;
    const char *code;
    const char *message; // "%s": the subject; NULL: our own sentence
};

// clang-format off
static const struct row rows[] = {
    // the gateway
    {"MissingParameter", 400, "MissingParameter", "The input parameter \"%s\" that is mandatory for processing this request is not supplied."},
    {"InvalidParameter", 400, "InvalidParameter", "The specified parameter \"%s\" is not valid."},
    {"InvalidVersion", 400, "InvalidVersion", "Specified parameter Version is not valid."},
    {"InvalidAction.NotFound", 404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."},
    {"InvalidProduct.NotFound", 404, "InvalidProduct.NotFound", "Cannot find product according to your specified domain."},
    {"InvalidAccessKeyId.NotFound", 404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."},
    {"InvalidAccessKeyId.Inactive", 400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."},
    {"InvalidTimeStamp.Format", 400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."},
    {"InvalidTimeStamp.Expired", 400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."},
    {"IllegalTimestamp", 400, "IllegalTimestamp", "The input parameter \"Timestamp\" that is mandatory for processing this request is not supplied."},
    {"SignatureNonceUsed", 400, "SignatureNonceUsed", "Specified signature nonce was used already."},
    {"SignatureDoesNotMatch", 400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation."},
    {"IncompleteSignature", 400, "IncompleteSignature", "The request signature does not conform to Aliyun standards."},
    {"InvalidSignatureMethod", 400, "InvalidSignatureMethod", "Specified signature method is not valid."},
    {"InvalidParameter.Format", 400, "InvalidParameter.Format", "Specified parameter format is not valid."},
    {"UnsupportedHTTPMethod", 403, "UnsupportedHTTPMethod", "This http method is not supported."},
    {"MissingSecurityToken", 400, "MissingSecurityToken", "SecurityToken is mandatory for this action."},
    {"InvalidSecurityToken.Malformed", 400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed."},
    {"InvalidSecurityToken.MismatchWithAccessKey", 400, "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatch with the AccessKey."},
    {"InvalidSecurityToken.Expired", 400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."},
    {"Forbidden.RAM", 403, "Forbidden.RAM", "User not authorized to operate on the specified resource, or this API doesn't support RAM."},
    {"NoPermission", 403, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM."},
    {"Throttling", 400, "Throttling", "Request was denied due to request throttling."},
    {"Throttling.Api", 400, "Throttling.Api", "Request was denied due to api flow control."},
    {"Throttling.User", 400, "Throttling.User", "Request was denied due to user flow control."},
    {"IdempotentParameterMismatch", 400, "IdempotentParameterMismatch", "The request is retried with updated parameters."},
    {"LastTokenProcessing", 403, "LastTokenProcessing", "The last token request is processing."},
    {"UnsupportedOperation", 400, "UnsupportedOperation", "The specified action is not supported."},
    // inferred: no catalogue names these; what the HTTP layer refuses by itself
    {"RequestTooLarge", 413, "RequestTooLarge", "The request is larger than this service accepts."},
    {"RequestUriTooLong", 414, "RequestUriTooLong", "The request target is longer than this service accepts."},
    {"RequestHeadersTooLarge", 431, "RequestHeadersTooLarge", "The request headers are larger than this service accepts."},
    {"RequestTimeout", 408, "RequestTimeout", "The request did not arrive in time."},
    {"DiskFull", 503, "ServiceUnavailable", "The disk of this service is full."},
    {"BadRequest", 400, "InvalidRequest", "The request is not well formed."},
    // records
    {"ResourceNotFound", 404, "ResourceNotFound", "Resource not found"},
    {"EventRuleExists", 409, "EventRuleExists", NULL},
    {"EventRuleLimit", 400, "EventRuleLimit", NULL},
    {"EventRuleNotExist", 404, "EventRuleNotExist", NULL},
    // values
    {"NullValue", 400, "InvalidParameter.NullValue", "The specified parameter \"%s\" cannot be null."},
    {"EmptyValue", 400, "InvalidParameter.EmptyValue", "The specified parameter \"%s\" cannot be empty."},
    {"InvalidState", 400, "InvalidParameter.InvalidState", "The specified parameter \"%s\" is invalid."},
    {"NotSupported", 400, "InvalidParameter.NotSupported", "The specified parameter \"%s\" is not supported."},
    {"OutOfRange", 400, "InvalidParameter.OutOfRange", "The specified parameter \"%s\" is out of range."},
    {"FormatInvalid", 400, "InvalidParameter.Format", "The format of parameter \"%s\" is invalid."},
    {"NumberFormatInvalid", 400, "InvalidParameter.NumberFormatInvalid", "The number format of parameter \"%s\" is invalid."},
    {"JsonFormatInvalid", 400, "InvalidParameter.JsonFormatInvalid", "The parameter \"%s\" does not conform to the JSON specification."},
    {"JsonObjectFormatInvalid", 400, "InvalidParameter.JsonObjectFormatInvalid", "The parameter \"%s\" does not conform to the JSON Object specification."},
    {"JsonArrayFormatInvalid", 400, "InvalidParameter.JsonArrayFormatInvalid", "The parameter \"%s\" does not conform to the JSON Array specification."},
    {"RoleArn", 400, "InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed."},
    {"RoleSessionName", 400, "InvalidParameter.RoleSessionName", "The parameter RoleSessionName is wrongly formed."},
    {"PolicyGrammar", 400, "InvalidParameter.PolicyGrammar", "The parameter Policy has not passed grammar check."},
    // what jobs name
    {"ResourceDeleted", 400, "InvalidParameter.ResourceDeleted", "The resource operated \"%s\" has been deleted."},
    {"ResourceContentBad", 400, "InvalidParameter.ResourceContentBad", "The resource operated \"%s\" is bad."},
    {"ResourceNotSupported", 400, "InvalidParameter.ResourceNotSupported", "The resource operated \"%s\" is not supported."},
    {"NoAudioStream", 400, "InvalidParameter.NoAudioStream", "The resource has no audio stream."},
    {"MergeFileNoVideoOrAudio", 400, "InvalidParameter.MergeFileNoVideoOrAudio", "The merge file must have both video and audio."},
    {"TemplateNotFound", 400, "InvalidParameter.TemplateNotFound", "The Template operated \"%s\" cannot be found."},
    {"TemplateNotSupported", 400, "InvalidParameter.TemplateNotSupported", "The Template operated \"%s\" is not supported."},
    {"BucketNameInvalid", 400, "InvalidParameter.BucketNameInvalid", "The specified parameter \"%s\" is invalid."},
    {"LocationInvalid", 400, "InvalidParameter.LocationInvalid", "The specified parameter \"%s\" is invalid."},
    {"ObjectKeyInvalid", 400, "InvalidParameter.ObjectKeyInvalid", "The specified parameter \"%s\" is invalid."},
    {"ResourceAccess", 403, "PermissionDenied.ResourceAccess", "MTS not authorized to operate on the specified resource \"%s\"."},
    {"UrlForbidden", 403, "PermissionDenied.ResourceAccess", "MTS not authorized to operate on the specified resource \"%s\"."},
    {"ResourceQuotaExceed", 400, "PermissionDenied.ResourceQuotaExceed", "The resource \"%s\" quota has been used up."},
    {"JobInComplete", 400, "PermissionDenied.JobInComplete", "The Job operated \"%s\" is complete, cannot cancel."},
    {"JobInFailure", 400, "PermissionDenied.JobInFailure", "The Job operated \"%s\" is failure, cannot cancel."},
    {"JobInRunning", 400, "PermissionDenied.JobInRunning", "The Job operated \"%s\" is running, cannot cancel."},
    // The object store's words, where a job meets them.
    {"NoSuchBucket", 404, "ResourceNotFound", "Resource not found"},
    {"NoSuchKey", 404, "ResourceNotFound", "Resource not found"},
    {"FileAlreadyExists", 409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten."},
};

static const struct row rows_of_job[] = { // what differs when a job, not a call, has failed
    {"ResourceNotFound", 0, "InvalidParameter.ResourceNotFound", "The resource operated \"%s\" cannot be found."},
    {"NoSuchBucket", 0, "InvalidParameter.ResourceNotFound", "The resource operated \"%s\" cannot be found."},
    {"NoSuchKey", 0, "InvalidParameter.ResourceNotFound", "The resource operated \"%s\" cannot be found."},
};

static const struct row rows_of_imm[] = { // spec 08, section 7
    {"MissingParameter", 400, "InvalidArgument", "The parameter %s is required but not provided."},
    {"InvalidParameter", 400, "InvalidArgument", NULL},
    {"OutOfRange", 400, "InvalidArgument", NULL},
    {"NumberFormatInvalid", 400, "InvalidArgument", NULL},
    {"NotSupported", 400, "InvalidArgument", NULL},
    {"InvalidState", 400, "InvalidArgument", NULL},
    {"EmptyValue", 400, "InvalidArgument", NULL},
    {"BucketNameInvalid", 400, "InvalidArgument", NULL},
    {"ObjectKeyInvalid", 400, "InvalidArgument", NULL},
    {"TemplateNotFound", 400, "InvalidArgument", NULL},
    {"JsonFormatInvalid", 400, "InvalidJSON", "%s parsing error"},
    {"JsonObjectFormatInvalid", 400, "InvalidJSON", "%s Object parsing error"},
    {"JsonArrayFormatInvalid", 400, "InvalidJSON", "%s Array parsing error"},
    {"ProjectLimit", 400, "LimitExceededError", "resource count exceeds the limit"},
    {"ProjectExists", 400, "ResourceAlreadyExists", "The specified resource project already exists."},
    {"ProjectNotFound", 400, "ResourceNotFound", "The specified resource project is not found."},
    {"TaskNotFound", 400, "ResourceNotFound", "The specified resource task is not found."},
    {"ResourceNotFound", 400, "ResourceNotFound", NULL},
    {"NoSuchBucket", 400, "ResourceNotFound", NULL},
    {"NoSuchKey", 400, "ResourceNotFound", NULL},
    {"ResourceAccess", 403, "Forbidden.RAM", NULL},
};

static const struct row rows_of_code[] = {
    [KN_OK] = {"", 500, "InternalError", "The request processing has failed due to some unknown error, exception or failure."},
    [KN_EINVAL] = {"", 400, "InvalidParameter", NULL},
    [KN_ENOTFOUND] = {"", 404, "ResourceNotFound", "Resource not found"},
    [KN_ECONFLICT] = {"", 409, "OperationConflict", "Request was denied due to conflict with a previous request."},
    [KN_EMEDIA] = {"", 400, "InvalidParameter.ResourceContentBad", "The resource operated \"%s\" is bad."},
    [KN_EUNSUP] = {"", 400, "UnsupportedOperation", "The specified action is not supported."},
    [KN_EBUG] = {"", 500, "InternalError", "The request processing has failed due to some unknown error, exception or failure."},
    [KN_ELIMIT] = {"", 400, "Throttling.User", "Request was denied due to user flow control."},
    [KN_EIO] = {"", 500, "InternalError", "The request processing has failed due to some unknown error, exception or failure."},
    [KN_ENOMEM] = {"", 503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."},
    [KN_ECANCELED] = {"", 503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."},
};
// clang-format on

static const struct row *row_find(const struct row *in, size_t n, const char *reason)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(in[i].reason, reason) == 0)
            return &in[i];
    }
    return NULL;
}

/* What stands between the first two quotes of `sentence`; false when nothing does. */
static bool subject_of(char *out, size_t size, const char *sentence)
{
    const char *open = strchr(sentence, '\'');
    const char *close = open ? strchr(open + 1, '\'') : NULL;
    if (!close || close == open + 1)
        return false;
    size_t n = (size_t)(close - open - 1);
    if (n >= size)
        n = size - 1;
    memcpy(out, open + 1, n);
    out[n] = '\0';
    return true;
}

/* The row's message with its gap filled, or our sentence where the row has no message for it. */
static void message_fill(struct kn_wire_error *wire, const struct row *row, const char *sentence)
{
    char subject[512] = "";
    const char *gap = row->message ? strstr(row->message, "%s") : NULL;
    if (!row->message || (gap && !subject_of(subject, sizeof(subject), sentence))) {
        (void)kn_copy(wire->message, sizeof(wire->message), sentence);
        return;
    }
    if (gap)
        snprintf(wire->message, sizeof(wire->message), "%.*s%s%s", (int)(gap - row->message),
                 row->message, subject, gap + 2);
    else
        (void)kn_copy(wire->message, sizeof(wire->message), row->message);
    if (sentence[0])
        wire->detail = sentence;
}

static const struct row *row_of_code(kn_code code)
{
    size_t at = (size_t)code;
    return at < KN_COUNT(rows_of_code) ? &rows_of_code[at] : &rows_of_code[KN_EBUG];
}

static void wire_fill(struct kn_wire_error *wire, const struct row *row, const struct kn_error *err)
{
    if (!row && err->reason[0])
        row = row_find(rows, KN_COUNT(rows), err->reason);
    if (!row)
        row = row_of_code(err->code);
    *wire = (struct kn_wire_error){.status = row->status, .code = row->code};
    message_fill(wire, row, err->message);
    if (strncmp(row->code, "Throttling", 10) == 0)
        wire->retry_after_ms = RETRY_AFTER_MS;
    if (row->status == 500)
        wire->detail = NULL; // what broke inside is the operator's business
}

void kn_wire_error_of(struct kn_wire_error *wire, const struct kn_error *err)
{
    wire_fill(wire, NULL, err);
}

void kn_wire_error_of_product(struct kn_wire_error *wire, const char *product, const struct kn_error *err)
{
    static const struct row invalid = {"", 400, "InvalidArgument", NULL};
    const struct row *row = NULL;
    if (strcmp(product, "imm") == 0) {
        row = row_find(rows_of_imm, KN_COUNT(rows_of_imm), err->reason);
        if (!row && err->code == KN_EINVAL && !err->reason[0])
            row = &invalid;
    }
    wire_fill(wire, row, err);
}

void kn_wire_error_of_task(const char *code_name, const char *reason, const char *message,
                           char out_code[64], char out_message[1024])
{
    static const struct {
        const char *reason, *code, *message; // message NULL: our own sentence
    } reasons[] = {
        {"ResourceNotFound", "ResourceNotFound", NULL},
        {"NoSuchBucket", "ResourceNotFound", NULL},
        {"NoSuchKey", "ResourceNotFound", NULL},
        {"NoCaptionStream", "InvalidArgument", "The source has no subtitle stream that can be extracted."},
        {"ResourceAccess", "AccessDenied", NULL},
        {"UrlForbidden", "AccessDenied", NULL},
    };
    const char *own = message ? message : "";
    if (!code_name || !code_name[0]) { // the vendor's tasks cannot be cancelled; ours can, from a shell
        (void)kn_copy(out_code, 64, "Cancelled");
        (void)kn_copy(out_message, 1024, "The task was cancelled.");
        return;
    }
    const kn_code code = kn_code_from_name(code_name);
    const char *word = code == KN_ENOTFOUND                      ? "ResourceNotFound"
                       : code == KN_EMEDIA || code == KN_EUNSUP  ? "UnsupportedFormat"
                       : code == KN_EINVAL || code == KN_ECONFLICT ? "InvalidArgument"
                                                                 : "InternalError";
    (void)kn_copy(out_code, 64, word);
    (void)kn_copy(out_message, 1024, own);
    for (size_t i = 0; i < KN_COUNT(reasons); i++) {
        if (!kn_equal(reasons[i].reason, reason))
            continue;
        (void)kn_copy(out_code, 64, reasons[i].code);
        if (reasons[i].message)
            (void)snprintf(out_message, 1024, "%s (%s)", reasons[i].message, own);
    }
}

void kn_wire_error_of_job(struct kn_wire_error *wire, const char *code_name, const char *reason,
                          const char *message)
{
    const struct row *row = NULL;
    if (reason && reason[0]) {
        row = row_find(rows_of_job, KN_COUNT(rows_of_job), reason);
        if (!row)
            row = row_find(rows, KN_COUNT(rows), reason);
    }
    kn_code code = kn_code_from_name(code_name ? code_name : "");
    static const struct row internal = {
        "", 0, "InternalError",
        "The operation has failed due to some unknown error, exception or failure."};
    static const struct row not_found = {"", 0, "InvalidParameter.ResourceNotFound",
                                         "The resource operated \"%s\" cannot be found."};
    static const struct row not_supported = {"", 0, "InvalidParameter.NotSupported", NULL};
    if (!row && code == KN_ENOTFOUND)
        row = &not_found;
    if (!row && code == KN_EUNSUP)
        row = &not_supported;
    if (!row && (code == KN_EINVAL || code == KN_EMEDIA))
        row = row_of_code(code);
    if (!row)
        row = &internal;
    *wire = (struct kn_wire_error){.status = row->status, .code = row->code};
    const char *sentence = message ? message : "";
    message_fill(wire, row, sentence);
    // A job object has no Description: our own sentence, which says more, follows the vendor's.
    size_t n = strlen(wire->message);
    if (wire->detail)
        snprintf(wire->message + n, sizeof(wire->message) - n, " (%s)", wire->detail);
}
