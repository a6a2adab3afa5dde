#pragma once
/*
 * The way of a reply from the thread that makes it to its connection. Replies made by a handler
 * while its connection is being read go straight to the wire; all others lie in the request
 * (`pending`) until the loop fetches them.
 */
#include <stdbool.h>

#include "http/request.h"

/* The loop's mailbox held news of this request. */
void kn_http_reply_news(struct kn_http_request *request, bool is_final);
/*
 * Move what is ready from the connection's request to its wire. Sets is_reply_done when that was
 * all. True when something moved.
 */
bool kn_http_reply_pull(struct kn_http_conn *conn);
