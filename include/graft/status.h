/* What a call returns. Every function of graft that can fail returns a graft_status; on failure its
 * out-parameters are untouched and a sentence about the cause waits in graft_error_message().
 * The library never prints, never exits and never aborts; but oneDNN, which does the arithmetic, ends the
 * process where memory is refused to it. What can be large graft plans and allocates before, and hands over:
 * only a process under a hard limit (ulimit -v) comes to that. */
#ifndef GRAFT_STATUS_H
#define GRAFT_STATUS_H

#if defined(GRAFT_BUILDING) && defined(__GNUC__)
#define GRAFT_API __attribute__((visibility("default")))
#else
#define GRAFT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum graft_status {
    GRAFT_OK = 0,
    GRAFT_DONE,         /* the end of a sequence; not a failure and without a message */
    GRAFT_EARGUMENT,    /* the caller asked for something that makes no sense */
    GRAFT_EMEMORY,      /* an allocation failed */
    GRAFT_EIO,          /* the operating system refused to read or write */
    GRAFT_EFORMAT,      /* a file is not what it should be */
    GRAFT_ESHAPE,       /* shapes do not fit together */
    GRAFT_ENOTFOUND,    /* a name, a file or a node does not exist */
    GRAFT_EEXISTS,      /* something is there already and would be lost */
    GRAFT_EUNSUPPORTED, /* legal, but graft or this machine cannot do it */
    GRAFT_EDIVERGED,    /* the loss is not a finite number any more */
    GRAFT_ECANCELLED,   /* a callback asked to stop */
    GRAFT_EINTERNAL     /* a defect of graft itself or of a library below it */
} graft_status;

/* The sentence of this thread's last failure: UTF-8, without a line end, never NULL. Borrowed; valid until
 * the next failing call on this thread. */
GRAFT_API const char *graft_error_message(void);

/* A short name for a status, such as "bad format". Static storage. */
GRAFT_API const char *graft_status_name(graft_status status);

/* The library's version, such as "0.1.0". Static storage. */
GRAFT_API const char *graft_version(void);

/* For functions with one exit: needs a local `graft_status status` and a label `out`. */
#define GRAFT_TRY(call)                    \
    do {                                   \
        if ((status = (call)) != GRAFT_OK) \
            goto out;                      \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
