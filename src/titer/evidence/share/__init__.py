"""Renderings of campaigns and findings in the field's own forms: STIX, MISP, OCSF, Sigma.

Pure functions of nouns: no socket, no clock. Nothing inside titer reads them back; what partners
send is read by `reading`, as the work of a stranger, and is kept by `partners`.
"""
